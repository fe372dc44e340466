# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system, and the commands inside cmd.exe that work on it."""

from __future__ import annotations

import re

import pytest
from unit.lab.windows_prompt import make_host, out, run, start

from lab.windows import paths
from lab.windows.errors import Win32Error
from lab.windows.filesystem import FileSystem
from lab.windows.host import WindowsHost


@pytest.fixture(name="host")
def host_with_files() -> WindowsHost:
    host = make_host()
    host.fs.mkdir("C:\\data\\sub folder")
    host.fs.write("C:\\data\\a.txt", b"alpha\r\n")
    host.fs.write("C:\\data\\b.bin", bytes(range(256)))
    host.fs.write("C:\\data\\sub folder\\c & d.txt", b"x")
    return host


def code_of(call: object, *arguments: object, **options: object) -> int:
    with pytest.raises(Win32Error) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    return caught.value.code


def test_names_have_no_case_and_keep_theirs() -> None:
    fs = FileSystem()
    fs.mkdir("C:\\Program Files\\Tool")
    fs.write("c:/program files/TOOL/Key.Bin", b"1")
    assert fs.read("C:\\PROGRA~1\\tool\\KEY.BIN") == b"1"
    assert fs.listdir("C:\\Program Files\\Tool") == ["Key.Bin"]
    assert fs.long_path("c:\\progra~1\\tool\\key.bin") == "C:\\Program Files\\Tool\\Key.Bin"
    assert fs.short_path("C:\\Program Files\\Tool") == "C:\\PROGRA~1\\Tool"


def test_errors_are_those_of_windows() -> None:
    fs = FileSystem()
    fs.mkdir("C:\\d")
    fs.write("C:\\d\\f", b"")
    fs.file("C:\\d\\f").readonly = True
    assert code_of(fs.read, "C:\\d\\nope") == 2
    assert code_of(fs.read, "C:\\nope\\f") == 3
    assert code_of(fs.read, "C:\\d") == 5
    assert code_of(fs.write, "C:\\d\\f", b"x") == 5
    assert code_of(fs.remove, "C:\\d\\f") == 5
    assert code_of(fs.rmdir, "C:\\d") == 145
    assert code_of(fs.mkdir, "C:\\d") == 183
    assert code_of(fs.write, 'C:\\d\\a"b', b"") == 123
    assert code_of(fs.read, "Q:\\x") == 3
    fs.write("C:\\d\\open", b"").locked = "all"
    assert code_of(fs.read, "C:\\d\\open") == 32
    fs.add_drive("D", "OpsMgr", read_only=True)
    assert code_of(fs.write, "D:\\x", b"") == 19
    fs.denied["C:\\d"] = "write"
    assert code_of(fs.write, "C:\\d\\new", b"") == 5


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*.*", "README", True),
        ("*", "a.b", True),
        ("t.*", "t", True),
        ("t.*", "t.x64", True),
        ("t.*", "tt.x", False),
        ("?.txt", "ab.txt", False),
        ("a??", "ab", True),
        ("*.htm", "x.html", False),
        ("(1)*.txt", "(1)a.TXT", True),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert paths.matches(pattern, name) is expected


def test_absolute_paths() -> None:
    assert paths.absolute("x\\..\\y", "C:\\a") == "C:\\a\\y"
    assert paths.absolute("\\y", "D:\\a") == "D:\\y"
    assert paths.absolute("d:y. ", "C:\\a") == "D:\\y"
    assert paths.absolute("..\\..\\..", "C:\\a") == "C:\\"
    assert paths.absolute("\\\\server\\share\\x\\..\\y", "C:\\") == "\\\\server\\share\\y"
    assert paths.absolute("y", "\\\\server\\share\\x") == "\\\\server\\share\\x\\y"


def test_dir(host: WindowsHost) -> None:
    text = out(host, "dir C:\\data")
    shape = re.sub(r"\d\d/\d\d/\d{4}  \d\d:\d\d [AP]M", "STAMP", text)
    assert re.sub(r"[\d,]+ bytes free|Number is [0-9A-F-]+", "*", shape) == (
        " Volume in drive C has no label.\r\n Volume Serial *\r\n\r\n Directory of C:\\data\r\n\r\n"
        "STAMP    <DIR>          .\r\n"
        "STAMP    <DIR>          ..\r\n"
        "STAMP                 7 a.txt\r\n"
        "STAMP               256 b.bin\r\n"
        "STAMP    <DIR>          sub folder\r\n"
        "               2 File(s)            263 bytes\r\n"
        "               3 Dir(s)  *\r\n"
    )
    assert out(host, "dir /b C:\\data") == "a.txt\r\nb.bin\r\nsub folder\r\n"
    assert out(host, "dir /b /a-d /o-n C:\\data") == "b.bin\r\na.txt\r\n"
    assert out(host, "dir /ad /b C:\\data") == "sub folder\r\n"
    assert out(host, 'dir /s /b "C:\\data\\*.txt"') == "C:\\data\\a.txt\r\nC:\\data\\sub folder\\c & d.txt\r\n"
    assert "SUBFOL~1     sub folder" in out(host, "dir /x C:\\data")
    missing = run(host, "dir /b C:\\data\\*.zip")
    assert (missing.code, missing.out, missing.err) == (1, "", "File Not Found\r\n")


def test_copy(host: WindowsHost) -> None:
    assert out(host, 'copy C:\\data\\b.bin "C:\\data\\sub folder"') == "        1 file(s) copied.\r\n"
    assert host.fs.read("C:\\data\\sub folder\\b.bin") == bytes(range(256))
    assert out(host, "cd /d C:\\data& copy /b /y a.txt+b.bin x") == "a.txt\r\nb.bin\r\n        1 file(s) copied.\r\n"
    assert host.fs.read("C:\\data\\x") == b"alpha\r\n" + bytes(range(256))
    out(host, "copy /y C:\\data\\a.txt+C:\\data\\b.bin C:\\data\\x>nul")
    assert host.fs.read("C:\\data\\x") == b"alpha\r\n" + bytes(range(26)) + b"\x1a", "text ends at Ctrl+Z without /b"
    assert out(host, "copy C:\\data\\*.txt C:\\data\\*.bak") == "C:\\data\\a.txt\r\n        1 file(s) copied.\r\n"
    assert host.fs.exists("C:\\data\\a.bak")
    missing = run(host, "copy C:\\data\\nope C:\\data\\y")
    assert (missing.code, missing.err) == (1, "The system cannot find the file specified.\r\n")
    nowhere = run(host, "copy C:\\data\\a.txt C:\\nowhere\\y")
    assert (nowhere.code, nowhere.out, nowhere.err) == (
        1,
        "        0 file(s) copied.\r\n",
        "The system cannot find the path specified.\r\n",
    )


def test_copy_and_move_ask_before_they_overwrite(host: WindowsHost) -> None:
    line = "copy C:\\data\\a.txt C:\\data\\b.bin"
    assert run(host, line, b"n\r\n").out == "Overwrite C:\\data\\b.bin? (Yes/No/All):         0 file(s) copied.\r\n"
    assert len(host.fs.read("C:\\data\\b.bin")) == 256
    assert "1 file(s) copied" in run(host, line, b"yes\r\n").out
    host.fs.write("C:\\data\\n", b"new")
    assert "0 file(s) moved" in run(host, "move C:\\data\\n C:\\data\\a.txt", b"n\r\n").out
    assert out(host, "move /y C:\\data\\n C:\\data\\a.txt") == "        1 file(s) moved.\r\n"
    assert host.fs.read("C:\\data\\a.txt") == b"new"


def test_rename_and_move_folders(host: WindowsHost) -> None:
    out(host, 'ren "C:\\data\\sub folder" other')
    assert (
        run(host, "ren C:\\data\\a.txt b.bin").err
        == "A duplicate file name exists, or the file\r\ncannot be found.\r\n"
    )
    assert out(host, "move C:\\data\\other C:\\moved") == "        1 dir(s) moved.\r\n"
    assert host.fs.read("C:\\moved\\c & d.txt") == b"x"


def test_del(host: WindowsHost) -> None:
    host.fs.file("C:\\data\\a.txt").readonly = True
    assert run(host, "del C:\\data\\a.txt").err == "C:\\data\\a.txt\r\nAccess is denied.\r\n"
    out(host, "del /f C:\\data\\a.txt")
    assert not host.fs.exists("C:\\data\\a.txt")
    assert run(host, "del C:\\data\\a.txt").err == "Could Not Find C:\\data\\a.txt\r\n"
    asked = run(host, 'del "C:\\data\\sub folder"', b"n\r\n")
    assert asked.out == "C:\\data\\sub folder\\*, Are you sure (Y/N)? "
    out(host, "del /q /s C:\\data\\*.*")
    assert host.fs.listdir("C:\\data") == ["sub folder"]
    host.fs.write("C:\\data\\open", b"").locked = "all"
    assert run(host, "del C:\\data\\open").err == (
        "C:\\data\\open\r\nThe process cannot access the file because it is being used by another process.\r\n"
    )


def test_mkdir_and_rmdir(host: WindowsHost) -> None:
    out(host, 'mkdir C:\\n\\deep "C:\\n\\with blank"')
    assert host.fs.listdir("C:\\n") == ["deep", "with blank"]
    exists = run(host, "md C:\\n")
    assert (exists.code, exists.err) == (1, "A subdirectory or file C:\\n already exists.\r\n")
    assert run(host, "rd C:\\n").err == "The directory is not empty.\r\n"
    assert run(host, "rd C:\\n").code == 145
    assert run(host, "rd /s C:\\n", b"y\r\n").out == "C:\\n, Are you sure (Y/N)? "
    assert not host.fs.exists("C:\\n")
    out(host, "mkdir C:\\m\\m& rd /s /q C:\\m")
    assert run(host, "mkdir C:\\here& cd C:\\here& rd C:\\here").code == 32


def test_cd(host: WindowsHost) -> None:
    assert out(host, "cd \\data\\sub folder& cd") == "C:\\data\\sub folder\r\n", "no quotes needed"
    assert out(host, "cd /d c:\\DATA& cd& cd ..& cd") == "C:\\data\r\nC:\\\r\n"
    assert run(host, "cd C:\\nope").err == "The system cannot find the path specified.\r\n"
    assert run(host, "cd C:\\data\\a.txt").code == 1
    host.fs.add_drive("D")
    host.fs.mkdir("D:\\media")
    assert (
        out(host, "cd D:\\media& cd& D:& cd& cd C:")
        == "C:\\Users\\administrator\r\nD:\\media\r\nC:\\Users\\administrator\r\n"
    )
    assert run(host, "E:").err == "The system cannot find the drive specified.\r\n"
    assert out(host, "pushd C:\\data& cd& popd& cd") == "C:\\data\r\nC:\\Users\\administrator\r\n"
    assert "CMD does not support UNC paths" in run(host, "cd \\\\hydra\\x").err


def test_type(host: WindowsHost) -> None:
    assert run(host, "type C:\\data\\b.bin", codepage=850).out.encode("cp850") == bytes(range(256))
    host.fs.write("C:\\data\\u.txt", b"\xff\xfe" + "ü\r\n".encode("utf-16-le"))
    assert out(host, "type C:\\data\\u.txt") == "ü\r\n"
    several = run(host, "type C:\\data\\a.txt C:\\data\\nope")
    assert several.code == 1
    assert several.err.endswith("Error occurred while processing: C:\\data\\nope.\r\n")


def test_current_directory_of_a_command(host: WindowsHost) -> None:
    assert run(host, "cd", cwd="C:\\data\\sub folder").out == "C:\\data\\sub folder\r\n"
    assert code_of(start, host, "cd", cwd="C:\\nope") == 267


def test_users_who_are_not_administrators_may_look_only(host: WindowsHost) -> None:
    assert run(host, "type C:\\data\\a.txt", is_admin=False).code == 0
    assert run(host, "echo x>C:\\data\\y", is_admin=False).err == "Access is denied.\r\n"
    assert run(host, 'echo x>"%TEMP%\\y"', is_admin=False).code == 0


def test_attrib(host: WindowsHost) -> None:
    out(host, "attrib +r C:\\data\\a.txt")
    assert out(host, "attrib C:\\data\\a.txt") == "A    R     C:\\data\\a.txt\r\n"
    assert run(host, "echo x>C:\\data\\a.txt").err == "Access is denied.\r\n"
    out(host, "attrib -r +h C:\\data\\a.txt")
    assert "a.txt" not in out(host, "dir /b C:\\data")
    assert "a.txt" in out(host, "dir /b /a C:\\data")


def test_xcopy_and_robocopy(host: WindowsHost) -> None:
    assert out(host, "xcopy C:\\data C:\\copy /e /i /y /q") == "3 File(s) copied\r\n"
    assert host.fs.read("C:\\copy\\sub folder\\c & d.txt") == b"x"
    asked = run(host, "xcopy C:\\data\\a.txt C:\\one", b"f\r\n")
    assert asked.out.endswith("(F = file, D = directory)? C:\\data\\a.txt\r\n1 File(s) copied\r\n")
    assert run(host, "xcopy C:\\data\\*.zip C:\\copy").code == 4
    assert run(host, "robocopy C:\\data C:\\robo /e").code == 1
    assert run(host, "robocopy C:\\data C:\\robo /e").code == 0
    assert run(host, "robocopy C:\\nope C:\\robo").code == 16
    assert run(make_host("2003"), "robocopy C:\\a C:\\b").code == 1, "not in the box"
