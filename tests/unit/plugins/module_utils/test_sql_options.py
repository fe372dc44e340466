# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.doc_fragments.sql_connection import ModuleDocFragment
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import (
    ConnectionString,
    OptionProblem,
    SqlOptions,
    quote_identifier,
    sql_connection_spec,
)

MICROSOFT = "ODBC Driver 17 for SQL Server"
LOGIN: dict[str, Any] = {"login_user": "sa", "login_password": "secret"}


def text(**options: Any) -> str:
    return ConnectionString(SqlOptions(**{"server": "sql1.odyssey.com", **options})).reveal()


# Connection strings

STRINGS = [
    pytest.param(
        LOGIN,
        "DRIVER={FreeTDS};SERVER=sql1.odyssey.com;PORT=1433;TDS_Version=7.2;Encryption=request;ClientCharset=UTF-8;"
        "UID=sa;PWD=secret;DATABASE=master;APP=opsmgr.recovery",
        id="SQL login",
    ),
    pytest.param(
        {
            "login_user": "ODYSSEY\\sqladmin",
            "login_password": "a;b",
            "encryption": "off",
            "tds_version": "7.3",
            "port": 50000,
        },
        "DRIVER={FreeTDS};SERVER=sql1.odyssey.com;PORT=50000;TDS_Version=7.3;Encryption=off;ClientCharset=UTF-8;"
        "UID=ODYSSEY\\sqladmin;PWD={a;b};DATABASE=master;APP=opsmgr.recovery",
        id="NTLM",
    ),
    pytest.param(
        {"database": "My}DB;x"},
        "DRIVER={FreeTDS};SERVER=sql1.odyssey.com;PORT=1433;TDS_Version=7.2;Encryption=request;ClientCharset=UTF-8;"
        "Trusted_Connection=Yes;DATABASE=master;APP=opsmgr.recovery",
        id="Kerberos",
    ),
    pytest.param(
        {**LOGIN, "instance": "OPSMGR", "driver": "/usr/lib/libtdsodbc.so"},
        "DRIVER={/usr/lib/libtdsodbc.so};SERVER=sql1.odyssey.com\\OPSMGR;TDS_Version=7.2;Encryption=request;ClientCharset=UTF-8;"
        "UID=sa;PWD=secret;DATABASE=master;APP=opsmgr.recovery",
        id="named instance",
    ),
    pytest.param(
        {**LOGIN, "driver": MICROSOFT, "login_password": "a}b"},
        "DRIVER={ODBC Driver 17 for SQL Server};SERVER=tcp:sql1.odyssey.com,1433;Encrypt=no;UID=sa;PWD={a}}b};DATABASE=master;APP=opsmgr.recovery",
        id="Microsoft's driver",
    ),
    pytest.param(
        {"driver": MICROSOFT, "encryption": "require", "instance": "OPSMGR"},
        "DRIVER={ODBC Driver 17 for SQL Server};SERVER=tcp:sql1.odyssey.com\\OPSMGR;Encrypt=yes;TrustServerCertificate=yes;"
        "Trusted_Connection=Yes;DATABASE=master;APP=opsmgr.recovery",
        id="Microsoft's driver, encrypted, Kerberos, named instance",
    ),
    pytest.param(
        {"driver": MICROSOFT, "instance": "OPSMGR", "port": 50000},
        "DRIVER={ODBC Driver 17 for SQL Server};SERVER=tcp:sql1.odyssey.com,50000;Encrypt=no;Trusted_Connection=Yes;DATABASE=master;APP=opsmgr.recovery",
        id="the port wins over the instance",
    ),
]


@pytest.mark.parametrize(("options", "expected"), STRINGS)
def test_connection_strings(options: dict[str, Any], expected: str) -> None:
    assert text(**options) == expected


def test_the_password_is_in_no_text_form() -> None:
    options = SqlOptions(server="sql1", login_user="sa", login_password="s3cr3t")
    string = ConnectionString(options)
    assert "s3cr3t" in string.reveal()
    assert "PWD=********;" in str(string)
    for shown in (str(string), repr(string), f"{string}", repr([string]), repr(options), str(options)):
        assert "s3cr3t" not in shown


def old_freetds(string: str) -> dict[str, str]:
    """FreeTDS before 1.4, src/odbc/connectparams.c: a value in braces ends at the next "};" and nothing is unescaped."""
    values = {}
    while "=" in string:
        name, _unused, string = string.partition("=")
        if string.startswith("{"):
            value, _unused, string = string[1:].partition("};")
        else:
            value, _unused, string = string.partition(";")
        values[name] = value
    return values


def escaping_parser(string: str) -> dict[str, str]:
    """FreeTDS since 1.4 and Microsoft's driver: in braces, a doubled closing brace means one."""
    values = {}
    while "=" in string:
        name, _unused, string = string.partition("=")
        if not string.startswith("{"):
            values[name], _unused, string = string.partition(";")
            continue
        value, position = "", 1
        while string[position] != "}" or string[position + 1 : position + 2] == "}":
            position += 2 if string[position] == "}" else 1
            value += string[position - 1]
        values[name], string = value, string[position + 2 :]
    return values


secrets = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1) | st.text(
    "{};=a", min_size=1
)


def freetds_has_a_form_for(value: str) -> bool:
    return "}" not in value or not (";" in value or value.startswith("{"))


@given(secrets.filter(freetds_has_a_form_for), secrets.filter(freetds_has_a_form_for))
def test_any_value_arrives_whole_in_every_freetds(user: str, password: str) -> None:
    string = text(login_user=user, login_password=password)
    for parsed in (old_freetds(string), escaping_parser(string)):
        assert (parsed["UID"], parsed["PWD"], parsed["DATABASE"], parsed["APP"]) == (
            user,
            password,
            "master",
            "opsmgr.recovery",
        )
        assert len(parsed) == 10


@given(secrets.filter(lambda value: not freetds_has_a_form_for(value)))
def test_a_value_without_a_form_that_every_freetds_reads_is_refused(password: str) -> None:
    with pytest.raises(OptionProblem, match="closing brace"):
        text(login_user="sa", login_password=password)


@given(secrets.filter(lambda user: "\\" not in user), secrets)
def test_any_value_arrives_whole_in_microsofts_driver(user: str, password: str) -> None:
    parsed = escaping_parser(text(driver=MICROSOFT, login_user=user, login_password=password))
    assert (parsed["UID"], parsed["PWD"], parsed["DATABASE"], parsed["APP"]) == (
        user,
        password,
        "master",
        "opsmgr.recovery",
    )
    assert len(parsed) == 7


# The real driver against a server that listens to the login and hangs up


class LoginListener:
    """Reads one TDS 7 login at a time [ms, MS-TDS 2.2.6.4] and keeps user, password and database."""

    PRELOGIN = b"\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" + b"\x0a\x00\x06\x40\x00\x00" + b"\x02"

    def __init__(self) -> None:
        self.logins: list[tuple[str, str, str]] = []
        self._socket = socket.create_server(("127.66.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _unused = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                kind, body = self._packet(stream)
                if kind == 0x12:
                    client.sendall(struct.pack(">BBHHBB", 4, 1, 8 + len(self.PRELOGIN), 0, 1, 0) + self.PRELOGIN)
                    kind, body = self._packet(stream)
                self.logins.append((self._text(body, 40), self._password(body), self._text(body, 68)))

    @staticmethod
    def _packet(stream: Any) -> tuple[int, bytes]:
        kind, _unused, length = struct.unpack(">BBH4x", stream.read(8))
        return kind, stream.read(length - 8)

    @staticmethod
    def _bytes(body: bytes, field: int) -> bytes:
        offset, length = struct.unpack_from("<HH", body, field)
        return body[offset : offset + 2 * length]

    def _text(self, body: bytes, field: int) -> str:
        return self._bytes(body, field).decode("utf-16-le")

    def _password(self, body: bytes) -> str:
        swapped = bytes(byte ^ 0xA5 for byte in self._bytes(body, 44))
        return bytes((byte & 15) << 4 | byte >> 4 for byte in swapped).decode("utf-16-le")


@pytest.fixture(scope="module")
def listener() -> Iterator[LoginListener]:
    listener = LoginListener()
    yield listener
    listener.close()


@pytest.mark.parametrize(
    "password",
    [
        "simple",
        "p%PATH%^&\"!' ü8",
        "a;b",
        "a}b",
        "}",
        "a}}",
        "{",
        "{a",
        "{;",
        " a ",
        "=;PWD=x",
        "€😀",
        "a]b",
        "tab\there",
    ],
)
def test_the_real_freetds_sends_what_was_given(listener: LoginListener, password: str) -> None:
    pyodbc = pytest.importorskip("pyodbc")
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not installed")
    string = text(server="127.66.0.1", port=listener.port, login_user="sa;x", login_password=password, encryption="off")
    listener.logins.clear()
    with pytest.raises(pyodbc.Error):
        pyodbc.connect(string, timeout=5)
    assert listener.logins == [("sa;x", password, "master")]


# Options


def test_spec_and_documentation_are_twins() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = sql_connection_spec()
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        described = {key: value for key, value in documented[name].items() if key != "description"}
        assert described == {key: value for key, value in option.items() if key != "no_log"}, name
        assert documented[name]["description"]


def test_options_come_from_the_parameters_of_a_module() -> None:
    params = {name: option.get("default") for name, option in sql_connection_spec().items()}
    assert SqlOptions.from_params({**params, "server": "sql1", "run_as_accounts": True}) == SqlOptions(server="sql1")


REFUSED = [
    ({"server": ""}, "server is empty"),
    ({"server": "sql1\\OPSMGR"}, "contains an instance or a port"),
    ({"server": "sql1,1433"}, "server is sql1,1433, which contains an instance or a port"),
    ({"server": "sql1;UID=sa"}, "server contains a brace"),
    ({"instance": "A;B"}, "instance contains a brace"),
    ({"driver": "FreeTDS};X={"}, "driver contains a brace"),
    ({"database": ""}, "database is empty"),
    ({"database": "a\0b"}, "database contains a NUL"),
    ({"database": "x" * 129}, "cannot be a name in SQL Server"),
    ({"port": 0}, "port is 0"),
    ({"port": 65536}, "port is 65536"),
    ({"connect_timeout": 0}, "connect_timeout is 0"),
    ({"tds_version": "8.0"}, "tds_version is 8.0"),
    ({"tds_version": "7.1"}, "tds_version is 7.1"),
    ({"login_user": "sa"}, "only one of"),
    ({"login_password": "x"}, "only one of"),
    ({"login_user": "", "login_password": ""}, "login_user is empty"),
    ({"login_user": "sa", "login_password": "half\udc80"}, "login_password is not valid text"),
    ({"login_user": "ODYSSEY\\admin", "login_password": "x", "driver": MICROSOFT}, "cannot log in by NTLM"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionProblem, match=message) as caught:
        text(**options)
    assert caught.value.what_to_do
    assert "half" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("password", ["{a}", "a;b}", "};DATABASE=master;"])
def test_a_password_that_freetds_cannot_be_given_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(OptionProblem, match="login_password contains a closing brace") as caught:
        text(login_user="sa", login_password=password)
    assert password not in str(caught.value)
    assert "Microsoft's driver" in caught.value.what_to_do


@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_the_error_survives_copying(clone: Any) -> None:
    error = OptionProblem("port is 0", "Use another")
    assert str(clone(error)) == str(error)


# Identifiers


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("OperationsManager", "[OperationsManager]"),
        ("a]b", "[a]]b]"),
        ("]]", "[]]]]]"),
        ("a[b", "[a[b]"),
        ("x'; DROP DATABASE master --", "[x'; DROP DATABASE master --]"),
        ("ü ", "[ü ]"),
        ("x" * 128, "[" + "x" * 128 + "]"),
    ],
)
def test_quoted_identifiers(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize("name", ["", "x" * 129, "😀" * 65, "a\0b"])
def test_names_that_sql_server_cannot_have(name: str) -> None:
    with pytest.raises(OptionProblem, match="cannot be a name"):
        quote_identifier(name)


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=64))
def test_a_quoted_identifier_ends_where_it_should(name: str) -> None:
    quoted = quote_identifier(name)
    inside = quoted[1:-1]
    assert (quoted[0], quoted[-1]) == ("[", "]")
    assert "]" not in inside.replace("]]", "")
    assert inside.replace("]]", "]") == name
