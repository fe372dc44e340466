# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How SQL Server is reached: the options of all modules that do, and the ODBC connection string made from them.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

DEFAULT_PORT = 1433
APPLICATION_NAME = "opsmgr.recovery"

_STEP = "check the SQL Server connection options"
# From SQL Server 2005 on: OpsMgr 2007 needs that one [ms].
_TDS_VERSION = re.compile(r"(?:7\.[2-4]|auto)\Z")
_HIDDEN = "********"


# What the inventory has for each option. The playbooks take them from the host in the group opsmgr_database.
INVENTORY_VARIABLES = {
    **{
        name: f"opsmgr_sql_{name}"
        for name in (
            "server",
            "port",
            "instance",
            "driver",
            "tds_version",
            "encryption",
            "login_user",
            "login_password",
        )
    },
    "database": "opsmgr_database_name",
}


def connection_of(host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The connection options that the inventory variables of C(host) give; without a server it is the host itself.

    What is not given, or empty, is left out: then a module's default applies.
    """
    found = {option: variables.get(name) for option, name in INVENTORY_VARIABLES.items()}
    return {"server": host, **{option: value for option, value in found.items() if value not in (None, "")}}


def in_inventory(*options: str) -> str:
    """Where a value comes from that the playbooks give: C( (in the inventory: opsmgr_sql_server))."""
    return f" (in the inventory: {', '.join(INVENTORY_VARIABLES[name] for name in options if name in INVENTORY_VARIABLES)})"


_LOGIN = in_inventory("login_user", "login_password")


class OptionProblem(OpsmgrError):
    """Options that cannot work together, whatever the server says."""

    def __init__(self, found: str, what_to_do: str) -> None:
        super().__init__(_STEP, found, what_to_do)

    def __reduce__(self) -> tuple[type[OptionProblem], tuple[str, str]]:
        return type(self), (self.found, self.what_to_do)


def sql_connection_spec() -> dict[str, dict[str, Any]]:
    """The argument spec of the connection options. Its twin is plugins/doc_fragments/sql_connection.py."""
    return {
        "server": {"type": "str", "required": True},
        "port": {"type": "int"},
        "instance": {"type": "str"},
        "driver": {"type": "str", "default": "FreeTDS"},
        "tds_version": {"type": "str", "default": "7.2"},
        "encryption": {"type": "str", "default": "request", "choices": ["off", "request", "require"]},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "database": {"type": "str", "default": "OperationsManager"},
        "connect_timeout": {"type": "int", "default": 15},
    }


def beside_the_connection(spec: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The options of a module that SqlOptions does not check itself, or not to the end."""
    own = sql_connection_spec().keys() - {"connect_timeout"}
    return {option: described for option, described in spec.items() if option not in own}


@dataclass(frozen=True)
class SqlOptions:
    """The connection options, checked. C(connect_timeout) is in seconds; no C(login_user) means Kerberos."""

    server: str
    port: int | None = None
    instance: str | None = None
    driver: str = "FreeTDS"
    tds_version: str = "7.2"
    encryption: str = "request"
    login_user: str | None = None
    login_password: str | None = field(default=None, repr=False)
    database: str = "OperationsManager"
    connect_timeout: int = 15

    def __post_init__(self) -> None:
        for check in (self._check_texts, self._check_numbers, self._check_login):
            check()

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> SqlOptions:
        """Take the options out of a module's validated parameters; others are ignored. Raises OptionProblem."""
        return cls(**{name: params[name] for name in sql_connection_spec()})

    @property
    def label(self) -> str:
        """The server as messages name it: C(sql1:1433), C(sql1\\OPSMGR)."""
        if self.is_found_by_instance:
            return f"{self.server}\\{self.instance}"
        return f"{self.server}:{self.port or DEFAULT_PORT}"

    @property
    def is_freetds(self) -> bool:
        """Whether the driver, a name in odbcinst.ini or a path, is FreeTDS; otherwise it is taken for Microsoft's."""
        return any(part in self.driver.lower() for part in ("freetds", "tdsodbc"))

    @property
    def is_found_by_instance(self) -> bool:
        """Whether SQL Server Browser tells the port, which is not given."""
        return bool(self.instance) and self.port is None

    def _check_texts(self) -> None:
        for name in ("server", "driver", "database"):
            if not getattr(self, name):
                otherwise = ", or leave it out"
                if name == "server":
                    otherwise = ", or list the SQL Server in the group opsmgr_database"
                raise OptionProblem(f"{name} is empty", f"Set {name}{in_inventory(name)}{otherwise}")
        for name in ("server", "instance", "driver", "database", "login_user", "login_password"):
            _check_text(name, getattr(self, name) or "")
        quote_identifier(self.database)
        # These three are read by more than one parser on the way, and no real name has such characters.
        for name in ("server", "instance", "driver"):
            if re.search(r"[{};=]", getattr(self, name) or ""):
                raise OptionProblem(
                    f"{name} contains a brace, semicolon or equals sign", f"Correct {name}{in_inventory(name)}"
                )
        if "\\" in self.server or "," in self.server:
            places = in_inventory("server", "instance", "port")
            raise OptionProblem(
                f"server is {self.server}, which contains an instance or a port",
                f"Use the options instance and port for them{places}",
            )

    def _check_numbers(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise OptionProblem(f"port is {self.port}", f"Use a port between 1 and 65535{in_inventory('port')}")
        if self.connect_timeout < 1:
            raise OptionProblem(f"connect_timeout is {self.connect_timeout}", "Use at least one second")
        if not _TDS_VERSION.match(self.tds_version):
            raise OptionProblem(
                f"tds_version is {self.tds_version}",
                f"Use 7.2, 7.3 or 7.4, in quotes, or auto{in_inventory('tds_version')}",
            )

    def _check_login(self) -> None:
        if (self.login_user is None) != (self.login_password is None):
            raise OptionProblem(
                "only one of login_user and login_password is set",
                f"Set both, or none of them to log in by Kerberos{_LOGIN}",
            )
        if self.login_user == "":
            raise OptionProblem(
                "login_user is empty", f"Leave login_user and login_password out to log in by Kerberos{_LOGIN}"
            )
        if self.login_user and "\\" in self.login_user and not self.is_freetds:
            raise OptionProblem(
                f"login_user names a Windows domain, and the driver {self.driver} cannot log in by NTLM",
                f"Use FreeTDS{in_inventory('driver')}, or get a Kerberos ticket (kinit) and leave login_user and login_password out",
            )


class ConnectionString:
    """An ODBC connection string whose text form hides the password."""

    def __init__(self, options: SqlOptions, named: str | None = None) -> None:
        """C(named) is the server's name in freetds.conf, if its place stands there."""
        self._options = options
        self._named = named
        # Made now, so that a password which cannot be expressed is refused before anything is tried.
        self._text = _joined(options, options.login_password, named)

    def reveal(self) -> str:
        """The string with the password: for the driver only."""
        return self._text

    def __str__(self) -> str:
        return _joined(self._options, self._options.login_password and _HIDDEN, self._named)

    __repr__ = __str__


def quote_identifier(name: str) -> str:
    """Quote a name for use in T-SQL text: C([a]]b]). Raises OptionProblem for one that SQL Server could not have."""
    # sysname is nvarchar(128): 128 UTF-16 units [ms].
    if not name or "\0" in name or len(name.encode("utf-16-le", "surrogatepass")) > 256:
        raise OptionProblem(f"{name[:40]!r} cannot be a name in SQL Server", "Use a name of 1 to 128 characters")
    return "[" + name.replace("]", "]]") + "]"


def _check_text(name: str, value: str) -> None:
    # A lone surrogate would fail deep in the driver manager's encoding, with the whole string in the exception.
    try:
        value.encode("utf-16-le")
    except UnicodeEncodeError:
        raise OptionProblem(f"{name} is not valid text", f"Correct {name}{in_inventory(name)}") from None
    if "\0" in value:
        raise OptionProblem(f"{name} contains a NUL character", f"Correct {name}{in_inventory(name)}")


def _joined(options: SqlOptions, password: str | None, named: str | None) -> str:
    values, quote = _microsoft_values(options), _microsoft_value
    if options.is_freetds:
        values, quote = _freetds_values(options, named), _freetds_value
    if options.login_user is not None:
        values.update({"UID": options.login_user, "PWD": password or ""})
    else:
        values["Trusted_Connection"] = "Yes"
    # Not the wanted database: when it cannot be opened at login, the reason (4060) gets lost in FreeTDS and "login
    # failed" is all that remains. USE tells the reason.
    values["DATABASE"] = "master"
    # The last one is harmless: FreeTDS before 1.4 takes the brace that ends the string for part of the value.
    values["APP"] = APPLICATION_NAME
    # The driver manager reads this one, and always in braces.
    return f"DRIVER={{{options.driver}}};" + ";".join(f"{name}={quote(name, value)}" for name, value in values.items())


def _freetds_values(options: SqlOptions, named: str | None) -> dict[str, str]:
    usual = {"TDS_Version": options.tds_version, "Encryption": options.encryption, "ClientCharset": "UTF-8"}
    if named:
        return {"SERVERNAME": named, **usual}
    if options.instance and options.port is None:
        return {"SERVER": f"{options.server}\\{options.instance}", **usual}
    return {"SERVER": options.server, "PORT": str(options.port or DEFAULT_PORT), **usual}


def _microsoft_values(options: SqlOptions) -> dict[str, str]:
    place = f",{options.port or DEFAULT_PORT}"
    if options.is_found_by_instance:
        place = f"\\{options.instance}"
    values = {"SERVER": f"tcp:{options.server}{place}", "Encrypt": "no"}
    if options.encryption == "require":
        values["Encrypt"] = "yes"
        # SQL Server 2005 and 2008 make their own certificate, which nobody signed [ms].
        values["TrustServerCertificate"] = "yes"
    return values


def _freetds_value(name: str, value: str) -> str:
    """Write a value so that every FreeTDS reads the same one.

    Without braces all versions read up to the next semicolon. Inside braces, doubled closing braces mean one since 1.4
    and two before (src/odbc/connectparams.c), so a value that needs braces and contains a closing one has no common
    form.
    """
    if ";" not in value and not value.startswith("{"):
        return value
    if "}" not in value:
        return "{" + value + "}"
    option = {"UID": "login_user", "PWD": "login_password"}.get(name, name)
    raise OptionProblem(
        f"{option} contains a closing brace together with a semicolon or an opening brace at its start, which FreeTDS cannot be given",
        f"Change {option}{in_inventory(option)}, log in by Kerberos, or use Microsoft's driver",
    )


def _microsoft_value(name: str, value: str) -> str:
    # Only harmless characters stay bare; braces are always allowed, and a closing one inside is doubled [ms].
    if re.match(r"[A-Za-z0-9_.:,\\-]+\Z", value):
        return value
    return "{" + value.replace("}", "}}") + "}"
