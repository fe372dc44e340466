# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certutil, findstr and the other tools in the box; the lines that the lab's users drive it with."""

from __future__ import annotations

import base64
import hashlib

import pytest
from unit.lab.windows_prompt import make_host, out, run

from lab.faults import Fault
from lab.windows.host import WindowsHost
from lab.windows.tools.findstr import translate

KEY = bytes(range(256)) * 3


@pytest.fixture(name="host")
def host_with_key() -> WindowsHost:
    host = make_host()
    host.fs.mkdir("C:\\x")
    host.fs.write("C:\\x\\key.bin", KEY)
    return host


def test_encode(host: WindowsHost) -> None:
    text = out(host, "certutil -encode C:\\x\\key.bin C:\\x\\k.b64")
    encoded = host.fs.read("C:\\x\\k.b64")
    assert text == (
        f"Input Length = 768\r\nOutput Length = {len(encoded)}\r\nCertUtil: -encode command completed successfully.\r\n"
    )
    lines = encoded.decode().split("\r\n")
    assert (lines[0], lines[-2], lines[-1]) == ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "")
    assert {len(line) for line in lines[1:-2]} == {64}
    assert base64.b64decode("".join(lines[1:-2])) == KEY


@pytest.mark.parametrize("form", ["lines", "one line", "lf", "certificate"])
def test_decode(host: WindowsHost, form: str) -> None:
    plain = base64.encodebytes(KEY)
    data = {
        "lines": plain.replace(b"\n", b"\r\n"),
        "one line": base64.b64encode(KEY),
        "lf": plain,
        "certificate": b"text before\r\n-----BEGIN CERTIFICATE-----\r\n" + plain + b"-----END CERTIFICATE-----\r\n",
    }[form]
    host.fs.write("C:\\x\\k.b64", data)
    out(host, "certutil -decode C:\\x\\k.b64 C:\\x\\again.bin")
    assert host.fs.read("C:\\x\\again.bin") == KEY


def test_certutil_fails_with_hresults(host: WindowsHost) -> None:
    host.fs.write("C:\\x\\garbage", b"this is no base64 !")
    exists = run(host, "certutil -encode C:\\x\\key.bin C:\\x\\garbage")
    assert exists.code == 0x80070050
    assert exists.out == (
        "EncodeToFile returned The file exists. 0x80070050 (WIN32: 80)\r\n"
        "CertUtil: -encode command FAILED: 0x80070050 (WIN32: 80)\r\nCertUtil: The file exists.\r\n"
    )
    assert run(host, "certutil -decode C:\\x\\garbage C:\\x\\y").code == 0x8007000D
    assert not host.fs.exists("C:\\x\\y")
    assert run(host, "certutil -decode C:\\x\\nope C:\\x\\y").code == 2147942402
    assert run(host, "certutil -encode C:\\x\\key.bin C:\\nope\\y").code == 0x80070003
    assert run(host, "certutil -encode C:\\x\\key.bin").code == 0x80070057
    assert run(host, "certutil -f -encode C:\\x\\key.bin C:\\x\\garbage").code == 0


def test_hashfile(host: WindowsHost) -> None:
    digest = hashlib.sha256(KEY).hexdigest()
    ended = run(host, "certutil -hashfile C:\\x\\key.bin SHA256")
    assert ended.lines[0] == "SHA256 hash of file C:\\x\\key.bin:"
    assert ended.lines[1].replace(" ", "") == digest
    assert ended.lines[1].count(" ") == 31
    assert "SHA1 hash of" in out(host, "certutil -hashfile C:\\x\\key.bin")
    assert run(host, "certutil -hashfile C:\\x\\key.bin sha256").code == 0xD00000BB, (
        "names of algorithms are upper case"
    )
    host.fs.write("C:\\x\\empty", b"")
    assert run(host, "certutil -hashfile C:\\x\\empty SHA256").code == 0x800703EE
    older = run(make_host("2003"), "certutil -hashfile C:\\x SHA256")
    assert (older.code, older.out) == (0x80070057, "CertUtil: Unknown arg: -hashfile\r\n")


def test_a_file_comes_out_through_certutil_and_type(host: WindowsHost) -> None:
    line = 'certutil -f -encode "C:\\x\\key.bin" "%TEMP%\\k.b64">nul&& type "%TEMP%\\k.b64"& del /f /q "%TEMP%\\k.b64"'
    before = host.dump()
    assert base64.b64decode("".join(run(host, line).lines[1:-1])) == KEY
    assert host.dump() == before


def test_a_file_goes_in_through_standard_input(host: WindowsHost) -> None:
    line = 'findstr "^">"C:\\x\\k.b64"&& certutil -f -decode "C:\\x\\k.b64" "C:\\x\\k.bin"'
    assert run(host, line, base64.encodebytes(KEY).replace(b"\n", b"\r\n")).code == 0
    assert host.fs.read("C:\\x\\k.bin") == KEY


def test_a_salted_hash_of_a_registry_key(host: WindowsHost) -> None:
    host.registry.set("HKLM\\SOFTWARE\\MOMBins", "Value1", KEY)
    line = (
        'reg export "HKLM\\SOFTWARE\\MOMBins" "%TEMP%\\t.reg" /y>nul&& (echo salt)>"%TEMP%\\t.s"'
        '&& copy /b /y "%TEMP%\\t.s"+"%TEMP%\\t.reg" "%TEMP%\\t.x">nul&& certutil -hashfile "%TEMP%\\t.x" SHA256'
        '& del /f /q "%TEMP%\\t.*"'
    )
    first, second = run(host, line), run(host, line)
    assert first.lines[1] == second.lines[1]
    assert len(first.lines[1].replace(" ", "")) == 64
    assert host.fs.listdir(host.session("ODYSSEY\\administrator").profile + "\\AppData\\Local\\Temp") == []
    assert run(host, line.replace("salt", "pepper")).lines[1] != first.lines[1]


TEXT = b"alpha\r\nBeta gamma\r\n[x] 50%\r\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("alpha", "alpha"),
        ("/i beta", "Beta gamma"),
        ('/c:"Beta gamma"', "Beta gamma"),
        ('"alpha gamma"', "alpha\r\nBeta gamma"),
        ("/v a", "[x] 50%"),
        ("/n alpha", "1:alpha"),
        ('/r "^B.*a$"', "Beta gamma"),
        ('/x "alpha"', "alpha"),
        ("/b B", "Beta gamma"),
        ('/l "[x]"', "[x] 50%"),
        ('"[0-9]"', "[x] 50%"),
        ('/r "\\<gamma\\>"', "Beta gamma"),
        ('"^"', "alpha\r\nBeta gamma\r\n[x] 50%"),
    ],
)
def test_findstr(host: WindowsHost, arguments: str, expected: str) -> None:
    host.fs.write("C:\\x\\t.txt", TEXT)
    assert out(host, f"findstr {arguments} C:\\x\\t.txt") == expected + "\r\n"
    assert out(host, f"findstr {arguments}", TEXT) == expected + "\r\n"


def test_findstr_has_exit_codes_and_a_longest_line(host: WindowsHost) -> None:
    host.fs.write("C:\\x\\t.txt", TEXT)
    assert run(host, "findstr zebra C:\\x\\t.txt").code == 1
    assert run(host, "findstr x C:\\x\\nope.txt").err == "FINDSTR: Cannot open C:\\x\\nope.txt\r\n"
    assert run(host, "findstr").code == 2
    assert out(host, "findstr /m alpha C:\\x\\*.txt") == "C:\\x\\t.txt\r\n"
    assert run(host, 'findstr "^"', b"x" * 9000 + b"\r\n").err == "FINDSTR: Line 1 is too long.\r\n"
    assert translate("a*.[^b]$") == "a*.[^b]$"


def test_find_more_sort(host: WindowsHost) -> None:
    host.fs.write("C:\\x\\t.txt", TEXT)
    assert out(host, 'find /c /v "" C:\\x\\t.txt') == "\r\n---------- C:\\X\\T.TXT: 3\r\n"
    assert out(host, 'find /i "BETA"', TEXT) == "Beta gamma\r\n"
    assert run(host, 'find "zebra"', TEXT).code == 1
    assert run(host, "find beta", TEXT).code == 2, "the text needs quotes"
    assert out(host, "more", b"no end") == "no end\r\n"
    assert out(host, "sort /r", b"b\r\nA\r\nc") == "c\r\nb\r\nA\r\n"


def test_fc(host: WindowsHost) -> None:
    host.fs.write("C:\\x\\other.bin", KEY[:-1] + b"!")
    assert "FC: no differences encountered" in out(host, "fc /b C:\\x\\key.bin C:\\x\\key.bin")
    different = run(host, "fc /b C:\\x\\key.bin C:\\x\\other.bin")
    assert (different.code, "000002FF: FF 21" in different.out) == (1, True)
    assert run(host, "fc /b C:\\x\\key.bin C:\\x\\nope").code == 2


def test_small_ones(host: WindowsHost) -> None:
    assert out(host, "whoami") == "odyssey\\administrator\r\n"
    assert "S-1-5-32-544" in out(host, "whoami /groups")
    assert "S-1-5-32-544" not in out(host, "whoami /groups", is_admin=False)
    assert out(host, "hostname") == "hydra\r\n"
    assert out(host, "chcp") == "Active code page: 437\r\n"
    assert out(host, "where certutil") == "C:\\Windows\\system32\\certutil.exe\r\n"
    assert run(host, "where nope").code == 1
    assert run(host, "timeout /t 0").code == 1, "no console"
    assert run(host, "timeout /t 0", console=True).code == 0
    assert run(host, "ping -n 1 hydra").code == 0
    assert run(host, "ping -n 1 nowhere").code == 1
    assert "(F)" in out(host, "icacls C:\\x")
    assert run(host, "icacls C:\\nope").code == 2


def test_chcp_changes_the_output_of_what_follows(host: WindowsHost) -> None:
    ended = run(host, "chcp 65001>nul& echo ü")
    assert ended.pieces[-1] == "ü\r\n".encode()


# --- tasklist ---------------------------------------------------------------------------------------------------------

LISTED = 'tasklist /nh /fo csv | findstr /i /c:"ManagementServerConfigTool.exe" /c:"TaskList.exe"'


def test_tasklist_lists_itself_its_shell_and_what_windows_always_runs(host: WindowsHost) -> None:
    images = [line.split('","')[0].strip('"') for line in out(host, "tasklist /nh /fo csv").splitlines()]
    assert {"tasklist.exe", "cmd.exe", "System", "smss.exe", "services.exe", "lsass.exe", "svchost.exe"} <= set(images)


def test_a_list_is_filtered_by_findstr(host: WindowsHost) -> None:
    assert [line.split(",")[0] for line in out(host, LISTED).splitlines()] == ['"tasklist.exe"']


def test_tasklist_that_fails_under_load(host: WindowsHost) -> None:
    host.faults.add(Fault(host.name, "command", "tasklist", "fail", code=1, text="ERROR: Critical error"))
    ended = run(host, "tasklist /nh /fo csv")
    assert (ended.code, ended.out, ended.err) == (1, "", "ERROR: Critical error\r\n")


def test_tasklist_that_finds_nothing_under_load(host: WindowsHost) -> None:
    host.faults.add(Fault(host.name, "command", "tasklist:finds-nothing", "fail", times=2))
    assert run(host, LISTED).code == 1
    ended = run(host, "tasklist /nh /fo csv")
    assert (ended.code, ended.out) == (0, "INFO: No tasks are running which match the specified criteria.\r\n")
    assert '"tasklist.exe"' in out(host, "tasklist /nh /fo csv")
