# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CREATE, DROP and TRUNCATE of databases and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from .batch import Statement
from .dialect import parse
from .lexer import Token
from .messages import error
from .sessions import others, require_administrator
from .store import Column, Database, Table, quoted, stored_name
from .values import parse_type

if TYPE_CHECKING:
    from .engine import Engine

_DEFAULTS = {"GETDATE()": "GETDATE()", "GETUTCDATE()": "GETUTCDATE()", "NEWID()": "NEWID()"}


def create_database(engine: Engine, statement: Statement) -> None:
    """CREATE DATABASE name; file specifications are read over."""
    name = _name(statement, 2)
    _outside_transaction(engine, 226, "CREATE DATABASE")
    require_administrator(engine.session, 262, "CREATE DATABASE", "master")
    if engine.server.find(name) is not None:
        raise error(1801, name)
    engine.server.add_database(name)


def drop_database(engine: Engine, statement: Statement) -> None:
    """DROP DATABASE name."""
    name = _name(statement, 2)
    _outside_transaction(engine, 574, "DROP DATABASE")
    database = engine.server.find(name)
    if database is None or not engine.session.login.may_administer(database):
        raise error(3701, "database", name)
    in_use = others(engine.session, database, engine.server.session_list()) or engine.session.database is database
    if in_use or database.is_system:
        raise error(3702, name)
    engine.server.remove_database(database)


def create_table(engine: Engine, statement: Statement) -> None:
    """CREATE TABLE with columns, keys and simple defaults."""
    tree = parse(statement.text)
    schema = tree.this
    if not isinstance(schema, exp.Schema):
        raise error(102, statement.tokens[-1].value)
    database = _database(engine, schema.this.catalog)
    name, owner = schema.this.name, schema.this.db or "dbo"
    if database.table(owner, name) is not None:
        raise error(2714, name)
    columns = [_column(item) for item in schema.expressions if isinstance(item, exp.ColumnDef)]
    engine.server.store.create(database, Table(owner, name, columns, _key(schema)))


def _column(item: exp.ColumnDef) -> Column:
    kinds = {type(constraint.kind): constraint.kind for constraint in item.args.get("constraints") or []}
    not_null = kinds.get(exp.NotNullColumnConstraint)
    nullable = (
        not_null is None or bool(not_null.args.get("allow_null"))
    ) and exp.PrimaryKeyColumnConstraint not in kinds
    default = kinds.get(exp.DefaultColumnConstraint)
    identity = exp.GeneratedAsIdentityColumnConstraint in kinds
    kind = parse_type(item.args["kind"].sql("tsql"))
    return Column(item.name, kind, nullable, identity, _default(default.this) if default is not None else None)


def _default(value: Any) -> str:
    return _DEFAULTS.get(value.sql("tsql").upper(), str(value.sql("sqlite")))


def _key(schema: exp.Schema) -> list[str]:
    for item in schema.find_all(exp.PrimaryKey):
        return [column.name for column in item.find_all(exp.Column)]
    return [item.name for item in schema.expressions if item.find(exp.PrimaryKeyColumnConstraint)]


def drop_table(engine: Engine, statement: Statement) -> None:
    """DROP TABLE [IF EXISTS] name."""
    if_exists = "EXISTS" in statement.words
    found = _find_table(engine, statement, 4 if if_exists else 2)
    if found[1] is not None and found[1].is_view:
        raise error(3705, found[1].name)
    if found[1] is not None:
        engine.server.store.drop(found[0], found[1])
    elif not if_exists:
        raise error(3701, "table", statement.tokens[-1].value)


def drop_view(engine: Engine, statement: Statement) -> None:
    """DROP VIEW name."""
    database, view = _find_table(engine, statement, 2)
    if view is None or not view.is_view:
        raise error(3701, "view", statement.tokens[-1].value)
    engine.server.store.drop(database, view)


def truncate_table(engine: Engine, statement: Statement) -> None:
    """TRUNCATE TABLE name."""
    database, table = _find_table(engine, statement, 2)
    if table is None:
        raise error(208, statement.tokens[-1].value)
    engine.server.store.run(f"DELETE FROM {quoted(stored_name(database, table.schema, table.name))}")


def _find_table(engine: Engine, statement: Statement, at: int) -> tuple[Database, Table | None]:
    parts = _parts(statement.tokens[at:])
    database = _database(engine, parts[0])
    return database, database.table(parts[1], parts[2])


def _parts(tokens: tuple[Token, ...]) -> tuple[str, str, str]:
    """Database, schema and name of a name with up to three parts."""
    parts = [""]
    for token in tokens:
        if token.text == ".":
            parts.append("")
        else:
            parts[-1] = token.value
    return ("", "", "", *parts)[-3:]  # type: ignore[return-value]


def _database(engine: Engine, name: str) -> Database:
    database = engine.server.find(name) if name else engine.session.database
    if database is None:
        raise error(911, name)
    if database is not engine.session.database:
        engine.admit(database)
    return database


def _outside_transaction(engine: Engine, number: int, what: str) -> None:
    if engine.session.trancount or engine.session.implicit_transactions:
        raise error(number, what)


def _name(statement: Statement, at: int) -> str:
    if at >= len(statement.tokens) or not statement.tokens[at].is_name:
        raise error(102, statement.tokens[-1].value)
    return statement.tokens[at].value
