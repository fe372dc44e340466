# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry and reg.exe of both profiles."""

from __future__ import annotations

import pytest
from unit.lab.windows_prompt import make_host, out, run

from lab.windows.host import WindowsHost
from lab.windows.registry import Registry, Value
from lab.windows.tools.reg_text import export_text, parse_file

ROOT = "HKLM\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0"
LONG = ROOT.replace("HKLM", "HKEY_LOCAL_MACHINE")


def host_with_keys(profile: str) -> WindowsHost:
    host = make_host(profile)
    host.registry.set(f"{ROOT}\\Setup", "ServerVersion", "6.0.6278.0")
    host.registry.set(f"{ROOT}\\Setup", "InstallDirectory", "%ProgramFiles%\\x", "REG_EXPAND_SZ")
    host.registry.set(f"{ROOT}\\MOMBins", "Value1", b"\x01\xab")
    host.registry.set(f"{ROOT}\\Server Management Groups\\ODYSSEY", "IsRootHealthService", 1)
    host.registry.set(ROOT, "", "default")
    return host


@pytest.fixture(name="host")
def newer_host() -> WindowsHost:
    return host_with_keys("2008r2")


def test_query_on_2008_r2(host: WindowsHost) -> None:
    assert out(host, f'reg query "{ROOT}"') == (
        f"\r\n{LONG}\r\n    (Default)    REG_SZ    default\r\n\r\n"
        f"{LONG}\\MOMBins\r\n{LONG}\\Server Management Groups\r\n{LONG}\\Setup\r\n"
    )
    assert (
        out(host, f'reg query "{ROOT}\\MOMBins"') == f"\r\n{LONG}\\MOMBins\r\n    Value1    REG_BINARY    01AB\r\n\r\n"
    )
    assert out(host, f'reg query "{ROOT}\\Setup" /v serverversion') == (
        f"\r\n{LONG}\\Setup\r\n    ServerVersion    REG_SZ    6.0.6278.0\r\n\r\n"
    )
    assert f"{LONG}\\Server Management Groups\\ODYSSEY\r\n    IsRootHealthService    REG_DWORD    0x1\r\n\r\n" in out(
        host, f'reg query "{ROOT}" /s'
    )


def test_query_on_2003() -> None:
    assert out(host_with_keys("2003"), f'reg query "{ROOT}\\Setup"') == (
        f"\r\n! REG.EXE VERSION 3.0\r\n\r\n{LONG}\\Setup\r\n"
        "    InstallDirectory\tREG_EXPAND_SZ\t%ProgramFiles%\\x\r\n    ServerVersion\tREG_SZ\t6.0.6278.0\r\n\r\n"
    )
    assert "    <NO NAME>\tREG_SZ\tdefault\r\n" in out(host_with_keys("2003"), f'reg query "{ROOT}" /ve')


def test_what_is_missing(host: WindowsHost) -> None:
    for line in ("reg query HKLM\\nope", f'reg query "{ROOT}" /v nope', f'reg delete "{ROOT}" /v nope /f'):
        ended = run(host, line)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "ERROR: The system was unable to find the specified registry key or value.\r\n"
    older = run(host_with_keys("2003"), "reg query HKLM\\nope")
    assert (older.code, older.err) == (
        1,
        "\r\nError:  The system was unable to find the specified registry key or value\r\n",
    )
    assert run(host, "reg query").err.startswith("ERROR: Invalid syntax.")


def test_the_administrator_test(host: WindowsHost) -> None:
    assert run(host, 'reg query "HKU\\S-1-5-19"').code == 0
    refused = run(host, 'reg query "HKU\\S-1-5-19"', is_admin=False)
    assert (refused.code, refused.err) == (1, "ERROR: Access is denied.\r\n")
    assert run(host, f'reg add "{ROOT}" /v x /d 1 /f', is_admin=False).code == 1


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ("/d text", "text"),
        ('/t REG_SZ /d "a ""b"""', 'a "b"'),
        ("/t REG_DWORD /d 0x10", 16),
        ("/t REG_QWORD /d 5000000000", 5000000000),
        ("/t REG_BINARY /d 00ff", b"\x00\xff"),
        ("/t REG_MULTI_SZ /d a\\0b", ["a", "b"]),
        ("", ""),
    ],
)
def test_add(host: WindowsHost, arguments: str, data: object) -> None:
    assert out(host, f'reg add "{ROOT}\\New" /v name {arguments} /f') == "The operation completed successfully.\r\n"
    assert host.registry.get(f"{ROOT}\\New", "NAME") == data


def test_add_asks_and_refuses(host: WindowsHost) -> None:
    asked = run(host, f'reg add "{ROOT}\\Setup" /v ServerVersion /d 1', b"no\r\n")
    assert asked.out.startswith("Value ServerVersion exists, overwrite(Yes/No)? ")
    assert host.registry.get(f"{ROOT}\\Setup", "ServerVersion") == "6.0.6278.0"
    assert run(host, f'reg add "{ROOT}" /v x /t REG_DWORD /d many /f').code == 1
    assert run(host, f'reg add "{ROOT}" /v x /t REG_WORD /d 1 /f').code == 1


def test_delete(host: WindowsHost) -> None:
    out(host, f'reg delete "{ROOT}\\Server Management Groups\\ODYSSEY" /f')
    assert not host.registry.exists(f"{ROOT}\\Server Management Groups\\ODYSSEY")
    asked = run(host, f'reg delete "{ROOT}\\MOMBins" /v Value1', b"")
    assert asked.out.startswith("Delete the registry value Value1 (Yes/No)? ")
    assert host.registry.get(f"{ROOT}\\MOMBins", "Value1") == b"\x01\xab"


def test_export_and_import_bring_everything_back(host: WindowsHost) -> None:
    registry = host.registry
    registry.set(f"{ROOT}\\All", 'q"\\uote', 'v"\\alue')
    registry.set(f"{ROOT}\\All", "multi", ["a", "b"])
    registry.set(f"{ROOT}\\All", "long", bytes(range(100)))
    registry.set(f"{ROOT}\\All", "wide", 1 << 40, "REG_QWORD")
    before = registry.dump()
    out(host, f'reg export "{ROOT}" C:\\t.reg')
    assert host.fs.read("C:\\t.reg").startswith(b"\xff\xfeW\x00i\x00n\x00")
    out(host, f'reg delete "{ROOT}" /f')
    assert run(host, "reg import C:\\t.reg").err == "The operation completed successfully.\r\n"
    assert registry.dump() == before
    assert run(host, f'reg export "{ROOT}" C:\\t.reg', b"n\r\n").out.startswith("File C:\\t.reg already exists.")
    assert run(host, f'reg export "{ROOT}" C:\\t.reg /y').code == 0
    host.fs.write("C:\\no.reg", b"nothing")
    assert run(host, "reg import C:\\no.reg").code == 1


def test_registration_files() -> None:
    key = Registry().create("HKLM\\x")
    key.values["v"] = Value("v", "REG_BINARY", bytes(40))
    lines = export_text("HKEY_LOCAL_MACHINE\\x", key).split("\r\n")
    assert lines[0] == "Windows Registry Editor Version 5.00"
    assert lines[2] == "[HKEY_LOCAL_MACHINE\\x]"
    assert lines[3].endswith(",\\")
    assert len(lines[3]) < 80
    assert lines[4].startswith("  00")
    found = list(
        parse_file(b'REGEDIT4\r\n\r\n[-HKEY_LOCAL_MACHINE\\y]\r\n[HKEY_LOCAL_MACHINE\\x]\r\n"gone"=-\r\n@="d"\r\n')
    )
    assert found == [
        ("-HKEY_LOCAL_MACHINE\\y", None),
        ("HKEY_LOCAL_MACHINE\\x", None),
        ("HKEY_LOCAL_MACHINE\\x", "gone"),
        ("HKEY_LOCAL_MACHINE\\x", Value("", "REG_SZ", "d")),
    ]


def test_copy_and_compare(host: WindowsHost) -> None:
    out(host, f'reg copy "{ROOT}" HKLM\\SOFTWARE\\Copy /s /f')
    assert run(host, f'reg compare "{ROOT}" HKLM\\SOFTWARE\\Copy /s').code == 0
    host.registry.set("HKLM\\SOFTWARE\\Copy\\Setup", "ServerVersion", "other")
    different = run(host, f'reg compare "{ROOT}" HKLM\\SOFTWARE\\Copy /s')
    assert different.code == 2
    assert "Different" in different.out


def test_search(host: WindowsHost) -> None:
    assert "End of search: 1 match(es) found." in out(host, f'reg query "{ROOT}" /f ODYSSEY /s')
    nothing = run(host, f'reg query "{ROOT}" /f zebra /s')
    assert (nothing.code, nothing.out.strip()) == (1, "End of search: 0 match(es) found.")


def test_the_current_user_has_a_hive_of_its_own(host: WindowsHost) -> None:
    out(host, "reg add HKCU\\Software\\Mine /v a /d 1 /f", is_admin=False)
    sid = host.session("ODYSSEY\\administrator").sid
    assert host.registry.get(f"HKU\\{sid}\\Software\\Mine", "a") == "1"


def test_a_dump_shows_no_key_bytes(host: WindowsHost) -> None:
    host.registry.set(f"{ROOT}\\MOMBins", "Value2", bytes(range(200, 232)))
    text = str(host.registry.dump())
    assert text.count("sha256:") == 2
    assert bytes(range(200, 232)).hex() not in text.lower()
