# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system procedures that drivers and people call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..windows.errors import Win32Error
from .lexer import Token
from .messages import error, message
from .values import DATETIME, INT, NAME, SqlType
from .wire_answer import SELECT_COMMAND, Done, ResultSet

if TYPE_CHECKING:
    from .engine import Engine

INSTANCES = "SOFTWARE\\Microsoft\\Microsoft SQL Server"
"""Below this each instance has a key named after its identity [ms]."""

_SMALL = SqlType("smallint")
_TYPE_COLUMNS = [
    ("TYPE_NAME", NAME), ("DATA_TYPE", _SMALL), ("PRECISION", INT), ("LITERAL_PREFIX", NAME), ("LITERAL_SUFFIX", NAME),
    ("CREATE_PARAMS", NAME), ("NULLABLE", _SMALL), ("CASE_SENSITIVE", _SMALL), ("SEARCHABLE", _SMALL), ("UNSIGNED_ATTRIBUTE", _SMALL),
    ("MONEY", _SMALL), ("AUTO_INCREMENT", _SMALL), ("LOCAL_TYPE_NAME", NAME), ("MINIMUM_SCALE", _SMALL), ("MAXIMUM_SCALE", _SMALL),
    ("SQL_DATA_TYPE", _SMALL), ("SQL_DATETIME_SUB", _SMALL), ("NUM_PREC_RADIX", INT), ("INTERVAL_PRECISION", _SMALL), ("USERTYPE", _SMALL),
]  # fmt: skip
# name, ODBC type, precision, what its literals stand between, CREATE parameters, scale, user type [ms]
_TYPES: tuple[tuple[str, int, int, str | None, str | None, int | None, int], ...] = (
    ("nvarchar", -9, 4000, "'", "max length", None, 0),
    ("nchar", -8, 4000, "'", "length", None, 0),
    ("bit", -7, 1, None, None, 0, 16),
    ("tinyint", -6, 3, None, None, 0, 5),
    ("bigint", -5, 19, None, None, 0, 0),
    ("image", -4, 2147483647, "0x", None, None, 20),
    ("varbinary", -3, 8000, "0x", "max length", None, 4),
    ("binary", -2, 8000, "0x", "length", None, 3),
    ("text", -1, 2147483647, "'", None, None, 19),
    ("char", 1, 8000, "'", "length", None, 1),
    ("decimal", 3, 38, None, "precision,scale", 38, 26),
    ("int", 4, 10, None, None, 0, 7),
    ("smallint", 5, 5, None, None, 0, 6),
    ("float", 6, 53, None, None, None, 8),
    ("varchar", 12, 8000, "'", "max length", None, 2),
    ("datetime", 93, 23, "'", None, 3, 12),
    ("uniqueidentifier", -11, 36, "'", None, None, 0),
)
_TEXTS = ("char", "varchar", "text", "nchar", "nvarchar")


def _type_row(
    name: str, odbc: int, precision: int, prefix: str | None, create: str | None, scale: int | None, user: int
) -> tuple[Any, ...]:
    suffix = "'" if prefix == "'" else None
    case = int(name in _TEXTS)
    base, sub = (9, 3) if odbc == 93 else (odbc, None)
    return (
        name,
        odbc,
        precision,
        prefix,
        suffix,
        create,
        1,
        0,
        3 if case else 2,
        None,
        0,
        None,
        name,
        scale,
        scale,
        base,
        sub,
        None,
        None,
        user,
    )


def _answer(engine: Engine, columns: list[tuple[str, SqlType]], rows: list[tuple[Any, ...]]) -> None:
    engine.tell(ResultSet.of(columns, rows), Done(len(rows), command=SELECT_COMMAND))


def data_type_info(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_datatype_info: what drivers ask before they bind a parameter."""
    text = "".join(token.text for token in arguments).split(",", maxsplit=1)[0] or "0"
    wanted = int(text) if text.lstrip("-").isdigit() else 0
    rows = [_type_row(*row) for row in _TYPES if wanted in (0, row[1])]
    _answer(engine, _TYPE_COLUMNS, rows)


def who(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_who2."""
    columns = [("SPID", NAME), ("Status", NAME), ("Login", NAME), ("HostName", NAME), ("BlkBy", NAME), ("DBName", NAME)]
    columns += [("Command", NAME), ("LastBatch", DATETIME), ("ProgramName", NAME)]
    rows: list[tuple[Any, ...]] = []
    for one in engine.server.session_list():
        status, command = ("RUNNABLE", "SELECT") if one.running else ("sleeping", "AWAITING COMMAND")
        rows.append(
            (
                f"{one.spid:<5}",
                status,
                one.user,
                one.host,
                "  .",
                one.database.name,
                command,
                one.login_time,
                one.program,
            )
        )
    _answer(engine, columns, rows)


def reset_connection(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_reset_connection."""
    engine.server.reset(engine.session, keep_transaction=False)


# What the columns of the extended procedures are called, by the server's language; the German names are [assumed].
_HEADINGS = {"en": ("drive", "MB free", "Value", "Data"), "de": ("Laufwerk", "MB frei", "Wert", "Daten")}


def fixed_drives(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """xp_fixeddrives."""
    drive, free, *_others = _HEADINGS[engine.server.language]
    columns = [(drive, SqlType("varchar", 1)), (free, INT)]
    _answer(engine, columns, sorted(engine.server.files.free_megabytes.items()))


# What the instance-aware procedures put in place of this beginning of a path: the key of their own instance [field].
_ANY_INSTANCE = "software\\microsoft\\mssqlserver\\"
_TEXT = SqlType("nvarchar", 4000)


def read_own_registry(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """xp_instance_regread with root, key and value; what is not there is told in a message, without rows [field]."""
    given = [
        engine.variables.get(token.value[1:].lower()) if token.kind == "variable" else token.value
        for token in arguments
        if token.text != ","
    ]
    if len(given) != 3:
        raise error(102, "xp_instance_regread")
    root, path, name = (str(one) for one in given)
    if path.lower().startswith(_ANY_INSTANCE):
        path = f"{INSTANCES}\\{engine.server.instance_id}\\{path[len(_ANY_INSTANCE) :]}"
    registry = engine.server.registry
    value = registry.value(f"{root}\\{path}", name)
    if value is None:
        call = "RegQueryValueEx" if registry.exists(f"{root}\\{path}") else "RegOpenKeyEx"
        engine.tell(message(22001, call, 2, Win32Error(2).text), Done())
        return
    *_others, heading, data = _HEADINGS[engine.server.language]
    _answer(engine, [(heading, NAME), (data, _TEXT)], [(value.name, value.data)])


_NOT_OF_THE_DATABASE = tuple(f"level{level}{part}" for level in range(3) for part in ("type", "name"))


def _given(engine: Engine, procedure: str, arguments: tuple[Token, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """The values of a call by the names of the parameters, however they were passed."""
    given: dict[str, Any] = {}
    for place, part in enumerate(_parts(arguments)):
        name = part[0].value[1:].lower() if len(part) == 3 and part[1].text == "=" else None
        if name is None and place >= len(names):
            raise error(8144, procedure)
        if name is not None and name not in names:
            raise error(8145, procedure, name)
        value = part[-1]
        if value.kind == "variable":
            given[name or names[place]] = engine.variable(value)
        elif value.kind in ("word", "quoted", "string"):
            given[name or names[place]] = None if value.keyword == "NULL" else value.value
        else:
            given[name or names[place]] = engine.value(value.text)
    return given


def _parts(arguments: tuple[Token, ...]) -> list[list[Token]]:
    """The tokens of each argument."""
    parts: list[list[Token]] = [[]]
    for token in arguments:
        if token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    if not arguments:
        return []
    if not all(len(part) in (1, 3) for part in parts):
        raise error(102, arguments[-1].value)
    return parts


def _of_database(engine: Engine, procedure: str, arguments: tuple[Token, ...], *own: str) -> dict[str, Any]:
    """The call of a procedure for extended properties, of which the lab has those of whole databases [ms]."""
    given = _given(engine, procedure, arguments, (*own, *_NOT_OF_THE_DATABASE))
    if "name" not in given:
        raise error(201, procedure, "name")
    if any(given.get(name) is not None for name in _NOT_OF_THE_DATABASE):
        raise ValueError("extended properties of objects")
    if given["name"] is None or not 0 < len(str(given["name"])) <= 128:
        raise error(15600, procedure)
    value = given.get("value")
    if value is not None and (len(value) if isinstance(value, bytes) else 2 * len(str(value))) > 7500:
        raise error(15097)
    # db_owner may, db_ddladmin may not [ms]; the lab knows administrators and others.
    if not engine.session.login.may_administer(engine.called_in):
        raise error(15135, _WHOLE)
    return given


# What the messages call the database itself [field].
_WHOLE = "object specified"


def _property(engine: Engine, name: str) -> str:
    key = name.casefold()
    if key not in engine.called_in.properties:
        raise error(15217, name, _WHOLE)
    return key


def add_property(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_addextendedproperty, for a database."""
    given = _of_database(engine, "sp_addextendedproperty", arguments, "name", "value")
    name = str(given["name"])
    if name.casefold() in engine.called_in.properties:
        raise error(15233, name, _WHOLE)
    engine.called_in.properties[name.casefold()] = (name, given.get("value"))
    engine.tell(Done())


def update_property(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_updateextendedproperty, for a database."""
    given = _of_database(engine, "sp_updateextendedproperty", arguments, "name", "value")
    key = _property(engine, str(given["name"]))
    engine.called_in.properties[key] = (engine.called_in.properties[key][0], given.get("value"))
    engine.tell(Done())


def drop_property(engine: Engine, arguments: tuple[Token, ...]) -> None:
    """sp_dropextendedproperty, for a database."""
    given = _of_database(engine, "sp_dropextendedproperty", arguments, "name")
    del engine.called_in.properties[_property(engine, str(given["name"]))]
    engine.tell(Done())


_PROCEDURES: dict[str, Callable[[Engine, tuple[Token, ...]], None]] = {
    **dict.fromkeys(("sp_datatype_info", "sp_datatype_info_90", "sp_datatype_info_100"), data_type_info),
    **dict.fromkeys(("sp_who", "sp_who2"), who),
    "sp_addextendedproperty": add_property,
    "sp_dropextendedproperty": drop_property,
    "sp_reset_connection": reset_connection,
    "sp_updateextendedproperty": update_property,
    "xp_fixeddrives": fixed_drives,
    "xp_instance_regread": read_own_registry,
}


def call(engine: Engine, name: str, arguments: tuple[Token, ...]) -> None:
    """Run a system procedure; any other is error 2812."""
    procedure = _PROCEDURES.get(name.lower())
    if procedure is None:
        raise error(2812, name)
    procedure(engine, arguments)
