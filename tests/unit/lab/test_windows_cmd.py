# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe: quoting, expansion, operators, redirection, pipes, loops."""

from __future__ import annotations

import pytest
from unit.lab.windows_prompt import finish, make_host, out, run, start

from lab.windows.host import WindowsHost
from lab.windows.process import Process


def show_arguments(process: Process) -> int:
    """Prints what a C program gets."""
    process.say(*(f"[{word}]" for word in process.argv[1:]))
    return 0


def exit_with(process: Process) -> int:
    """Ends with the code of its argument."""
    return int(process.argv[1])


@pytest.fixture(name="host")
def host_with_programs() -> WindowsHost:
    host = make_host()
    host.install_program("C:\\Program Files\\My & Tools\\args.exe", show_arguments, b"MZ args")
    host.install_program("C:\\Windows\\args.exe", show_arguments, b"MZ args")
    host.install_program("C:\\Windows\\code.exe", exit_with, b"MZ code")
    return host


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("echo hello", "hello"),
        ("echo   two  blanks ", "  two  blanks "),
        ("echo.", ""),
        ("echo(text", "text"),
        ("echo", "ECHO is on."),
        ('echo "a & b" ^& ^^ ^"c & echo d', '"a & b" & ^ "c \r\nd'),
        ("echo a^b", "ab"),
        ("echo 100% sure", "100% sure"),
        ("echo %% %undefined% %un^defined%", "%% %undefined% %undefined%"),
        ("echo %OS% %os:~0,3% %OS:Windows=X% %OS:~-2%", "Windows_NT Win X_NT NT"),
        ("set A=1& echo %A%", "%A%"),
        ("set A=1& call echo %^A%", "1"),
        ("echo %CD%", "C:\\Users\\administrator"),
        ("cd \\& echo %CD%& call echo %^CD%", "C:\\Users\\administrator\r\nC:\\"),
        ("echo a&echo b", "a\r\nb"),
        ("echo ä ß é", "ä ß é"),
        ("(echo a& echo b)", "a\r\nb"),
        ("rem nothing & echo gone", ""),
        ("@echo quiet", "quiet"),
        ("if a==a echo same", "same"),
        ("if /i A==a (echo same) else echo other", "same"),
        ("if not a==a (echo same) else echo other", "other"),
        ("if a==b echo x & echo y", ""),
        ('if exist "C:\\Program Files\\" echo folder', "folder"),
        ('if exist "C:\\Windows\\args.exe\\" (echo folder) else echo file', "file"),
        ("if exist C:\\Windows\\*.exe echo some", "some"),
        ("if defined OS echo yes", "yes"),
        ("if 10 gtr 9 echo numbers", "numbers"),
        ("for %a in (1 2) do @echo %a", "1\r\n2"),
        ("for /l %i in (3,-1,1) do @echo %i", "3\r\n2\r\n1"),
        ('for /f "tokens=1,2* delims=," %a in ("x,y,z,w") do @echo %c-%b-%a', "z,w-y-x"),
        ("for /f \"delims=\" %a in ('echo a ^& echo b') do @echo [%a]", "[a ]\r\n[b]"),
        (
            'for %a in ("C:\\Program Files\\x.txt") do @echo %~na %~xa %~dpa %a',
            'x .txt C:\\Program Files\\ "C:\\Program Files\\x.txt"',
        ),
        ("set /a 2+3*4", "14"),
        ("ver", "\r\nMicrosoft Windows [Version 6.1.7601]"),
    ],
)
def test_lines(host: WindowsHost, line: str, expected: str) -> None:
    assert run(host, line).out.removesuffix("\r\n") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('args "a b" c', ["[a b]", "[c]"]),
        ('args "a & b" c^&d', ["[a & b]", "[c&d]"]),
        ('"C:\\Program Files\\My & Tools\\args.exe" one "two three"', ["[one]", "[two three]"]),
        (
            'cd /d "C:\\Program Files\\My & Tools"&& args.exe Backup "C:\\a b & c.bin"',
            ["[Backup]", "[C:\\a b & c.bin]"],
        ),
        ('args a\\"b "c\\\\" d', ['[a"b]', "[c\\]", "[d]"]),
        ("args/x", ["[/x]"]),
        ("args a,b;c=d", ["[a,b;c=d]"]),
        ("args !x! %OS%!", ["[!x!]", "[Windows_NT!]"]),
    ],
)
def test_programs_and_their_arguments(host: WindowsHost, line: str, expected: list[str]) -> None:
    assert run(host, line).lines == expected


def test_the_two_cases_of_quotes_after_c(host: WindowsHost) -> None:
    host.install_program("C:\\a b\\args.exe", show_arguments, b"MZ args")
    assert run(host, 'cmd /c "C:\\a b\\args.exe"').code == 0, "exactly two quotes around a program's name stay"
    assert "'C:\\a' is not recognized" in run(host, 'cmd /s /c "C:\\a b\\args.exe"').err
    assert run(host, 'cmd /c ""C:\\a b\\args.exe" "x y""').lines == ["[x y]"]
    assert "'C:\\Program' is not recognized" in run(host, 'cmd /c "C:\\Program Files\\My & Tools\\args.exe"').err, (
        "a special character"
    )
    assert run(host, 'cmd /c "echo a" b').out == "a b\r\n", "the last quote goes wherever it is"
    assert run(host, 'cmd /c echo "a b"').out == '"a b"\r\n', "only a quote in front counts"


@pytest.mark.parametrize(
    ("line", "code", "printed"),
    [
        ("code 0", 0, ""),
        ("code 7", 7, ""),
        ("code -1", 4294967295, ""),
        ("code 3 & echo x", 0, "x"),
        ("code 3 && echo x", 3, ""),
        ("code 3 || echo x", 0, "x"),
        ("code 0 || echo x", 0, ""),
        ("code 1 || code 2 && echo x", 2, ""),
        ("code 0 && code 5 & echo [rc %ERRORLEVEL%]", 0, "[rc 0]"),
        ("code 3 & if errorlevel 3 echo three", 0, "three"),
        ("code 3 & if errorlevel 4 echo four", 0, ""),
        ("code 3 & exit /b", 3, ""),
        ("exit 9 & echo no", 9, ""),
        ("exit /b 4", 4, ""),
        ("echo a & code 6", 6, "a "),
        ("type C:\\missing.txt", 1, ""),
        ("del C:\\missing.txt", 0, ""),
        ("rd C:\\missing", 2, ""),
        ("(code 5)", 5, ""),
        ("code 5 | more", 0, ""),
        ("echo x | code 5", 5, ""),
    ],
)
def test_exit_codes(host: WindowsHost, line: str, code: int, printed: str) -> None:
    ended = run(host, line)
    assert (ended.code, ended.out.removesuffix("\r\n")) == (code, printed)


def test_delayed_expansion_needs_v_on(host: WindowsHost) -> None:
    assert out(host, 'cmd /v:on /c "code 3 & echo [!ERRORLEVEL!]"') == "[3]\r\n"
    assert out(host, 'cmd /v:on /c "set a=x y& echo !a:x=z! ^!"') == "z y \r\n"
    assert out(host, "code 3 & echo [!ERRORLEVEL!]") == "[!ERRORLEVEL!]\r\n"
    assert out(host, 'cmd /v:on /c "set a=1& (echo !a!)| more"') == "!a!\r\n", "a new cmd.exe runs the side of a pipe"
    assert run(host, 'cmd /v:on /c "code 3 & exit /b !ERRORLEVEL!"').code == 3


def test_an_unknown_command_returns_1_and_leaves_9009(host: WindowsHost) -> None:
    ended = run(host, "foo bar")
    assert ended.code == 1
    assert (
        ended.err
        == "'foo' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
    )
    assert run(host, 'cmd /v:on /c "foo & echo !ERRORLEVEL!"').out == "9009\r\n"
    quoted = run(host, '"C:\\Windows\\no such.exe" x')
    assert quoted.err.startswith("'\"C:\\Windows\\no such.exe\"' is not recognized")
    assert run(host, '"C:\\no such folder\\x.exe"').err == "The system cannot find the path specified.\r\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("& echo a", "& was unexpected at this time."),
        ("echo a && && echo b", "&& was unexpected at this time."),
        ("()", ") was unexpected at this time."),
        ("(echo a", "The syntax of the command is incorrect."),
        ("if a", "The syntax of the command is incorrect."),
        ("for %ab in (1) do echo", "%ab was unexpected at this time."),
        ("echo a >", "The syntax of the command is incorrect."),
    ],
)
def test_syntax_errors(host: WindowsHost, line: str, message: str) -> None:
    ended = run(host, line)
    assert (ended.code, ended.out, ended.err) == (1, "", message + "\r\n")


def test_redirection(host: WindowsHost) -> None:
    host.fs.mkdir("C:\\t")
    out(
        host,
        'echo one>C:\\t\\a.txt& echo two>>C:\\t\\a.txt& >C:\\t\\b.txt echo three& (echo 4& echo 5)>"C:\\t\\c d.txt"',
    )
    assert host.fs.read("C:\\t\\a.txt") == b"one\r\ntwo\r\n"
    assert host.fs.read("C:\\t\\b.txt") == b"three\r\n"
    assert host.fs.read("C:\\t\\c d.txt") == b"4\r\n5\r\n"
    assert out(host, "echo x 2>nul 1>&2") == ""
    assert run(host, "type C:\\nope 2>&1").out == "The system cannot find the file specified.\r\n"
    assert (
        out(host, "(set /p opsmgr_a=& set /p opsmgr_b=& set opsmgr_)<C:\\t\\a.txt")
        == "opsmgr_a=one\r\nopsmgr_b=two\r\n"
    )
    assert out(host, "echo digit2>C:\\t\\d.txt& type C:\\t\\d.txt") == "digit2\r\n"
    missing = run(host, "echo x>C:\\no\\such.txt")
    assert (missing.code, missing.err) == (1, "The system cannot find the path specified.\r\n")
    assert run(host, "findstr x<C:\\t\\none.txt").err == "The system cannot find the file specified.\r\n"


def test_unquoted_output_belongs_to_the_pipe(host: WindowsHost) -> None:
    assert out(host, 'echo a b c| findstr /c:"b c"') == "a b c\r\n"
    assert out(host, '(echo b& echo a)| sort | find /n /v ""') == "[1]a\r\n[2]b \r\n"
    assert (
        out(host, "echo x| (set /p opsmgr_v=& set opsmgr_)& if not defined opsmgr_v echo gone")
        == "opsmgr_v=x\r\ngone\r\n"
    )
    assert "'b' is not recognized" in run(host, "echo a^&b| more").err, "the side of a pipe is parsed twice"


def test_both_sides_of_a_pipe_run_at_the_same_time(host: WindowsHost) -> None:
    def slow(process: Process) -> int:
        process.out("first\r\n")
        process.stdin.read_line()
        process.out("second\r\n")
        return 0

    def fast(process: Process) -> int:
        while (line := process.stdin.read_line()) is not None:
            process.out(f"<{line}>")
        return 0

    host.install_program("C:\\Windows\\slow.exe", slow, b"MZ slow")
    host.install_program("C:\\Windows\\fast.exe", fast, b"MZ fast")
    command = start(host, "slow | fast")
    assert command.read(5).stdout == b"<first>"
    assert command.reading_program() == "slow"
    command.feed(b"\n", False)
    assert finish(command).out == "<second>"


def test_for_shows_its_commands_unless_told_not_to(host: WindowsHost) -> None:
    assert out(host, "for %a in (1) do echo %a") == "\r\nC:\\Users\\administrator>echo 1 \r\n1\r\n"
    assert out(host, "echo off& for %a in (1) do echo %a") == "1\r\n"
    assert out(host, "cmd /q /c for %a in (1) do echo %a") == "1\r\n"


def test_the_longest_line(host: WindowsHost) -> None:
    assert run(host, "rem " + "x" * 8180).code == 0
    ended = run(host, "rem " + "x" * 8190)
    assert (ended.code, ended.err) == (1, "The command line is too long.\r\n")


def test_set_and_what_it_says_of_what_is_not_there(host: WindowsHost) -> None:
    assert out(host, "set OPS_b=2& set ops_A=1 & set ops_") == "ops_A=1 \r\nOPS_b=2\r\n"
    ended = run(host, "set opsmgr_")
    assert (ended.code, ended.err) == (1, "Environment variable opsmgr_ not defined\r\n")
    assert out(host, 'set "OPS_q=a & b" dropped& set OPS_') == "OPS_q=a & b\r\n"


@pytest.mark.parametrize("codepage", [437, 850, 65001])
def test_output_in_the_code_page_of_the_shell(host: WindowsHost, codepage: int) -> None:
    host.fs.write("C:\\Grüße.txt", b"")
    assert run(host, "dir /b C:\\G*.txt", codepage=codepage).out == "Grüße.txt\r\n"
    assert run(host, "echo €", codepage=codepage).out == ("€\r\n" if codepage == 65001 else "?\r\n")


def test_environment_of_both_profiles() -> None:
    names = "%COMPUTERNAME% %USERDOMAIN%\\%USERNAME% %PROCESSOR_ARCHITECTURE% %ProgramFiles(x86)% %TEMP% %SystemRoot%"
    assert out(make_host("2008r2"), f"echo {names}") == (
        "HYDRA ODYSSEY\\administrator AMD64 C:\\Program Files (x86) C:\\Users\\ADMINI~1\\AppData\\Local\\Temp C:\\Windows\r\n"
    )
    assert out(make_host("2003"), f"echo {names}") == (
        "HYDRA ODYSSEY\\administrator x86 %ProgramFiles(x86)% C:\\DOCUME~1\\ADMINI~1\\LOCALS~1\\Temp C:\\WINDOWS\r\n"
    )


def test_skip_cmd_shell_starts_a_program_and_nothing_else(host: WindowsHost) -> None:
    assert run(host, 'args.exe "a b" & c', skip_cmd_shell=True).lines == ["[a b]", "[&]", "[c]"]
    assert run(host, "C:\\Program Files\\My & Tools\\args x", skip_cmd_shell=True).lines == ["[x]"]
    with pytest.raises(Exception, match="cannot find the file"):
        start(host, "echo hello", skip_cmd_shell=True)
