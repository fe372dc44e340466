# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transact-SQL queries into sqlite's SQL, by sqlglot, with the types of the columns they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from .lexer import tokenize
from .messages import error
from .values import BIGINT, DATETIME, GUID, INT, TEXT, SqlType, parse_type


class _Sqlite(SQLite):
    """sqlite with names in backquotes: one in double quotes that does not exist would be taken for a string."""

    class Tokenizer(SQLite.Tokenizer):
        """What the generator quotes names with."""

        IDENTIFIERS = ["`"]


@dataclass(frozen=True)
class Source:
    """A table or view that a statement names: where its rows are and what its columns are."""

    stored_name: str
    columns: list[tuple[str, SqlType]]
    database_id: int


Resolver = Callable[[str, str, str], Source]
"""Finds the source for (database, schema, name), the first two empty if not given; raises 208."""


@dataclass
class Translated:
    """One statement for sqlite; ``columns`` is None where only the values tell the types."""

    sql: str
    columns: list[tuple[str, SqlType | None]] | None = None
    assigned: list[str] = field(default_factory=list)
    databases: set[int] = field(default_factory=set)
    names: list[str] = field(default_factory=list)


@lru_cache(maxsize=512)
def _parse(text: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(text, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as problem:
        details = getattr(problem, "errors", None) or [{}]
        raise error(102, details[0].get("highlight") or text.split()[-1]) from None
    if isinstance(tree, exp.Command):
        raise error(102, text.split()[-1])
    return tree


def parse(text: str) -> exp.Expr:
    """The tree of one statement, the caller's own; raises 102."""
    return _parse(_prepared(text)).copy()


def _prepared(text: str) -> str:
    """The text with what sqlglot does not read as meant: ``@@NAME``, and DELETE without FROM."""
    out, at = [], 0
    tokens = tokenize(text)
    for place, token in enumerate(tokens):
        new = token.text
        if token.kind == "variable" and new.startswith("@@"):
            new = f"LAB_GLOBAL('{new[2:].upper()}')"
        elif token.keyword == "DELETE" and place == 0 and len(tokens) > 1 and tokens[1].keyword not in ("FROM", "TOP"):
            new = "DELETE FROM"
        out += [text[at : token.start], new]
        at = token.end
    return "".join(out) + text[at:]


def _call(name: str, *values: Any) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[value for value in values if value is not None])


def _string(text: str) -> exp.Literal:
    return exp.Literal.string(text)


def _unit(node: exp.Expr) -> exp.Literal:
    return _string(str(node.args.get("unit") or "day").lower())


def _cast(node: exp.Expr) -> exp.Expr:
    """CAST and CONVERT: sqlglot names their parts differently."""
    value, kind = (node.expression, node.this) if isinstance(node, exp.Convert) else (node.this, node.args["to"])
    return _call("LAB_CAST", value, _string(kind.sql("tsql")), node.args.get("style"))


_REPLACED: dict[type[exp.Expr], Callable[[Any], exp.Expr]] = {
    exp.National: lambda node: _string(node.this),
    exp.CurrentTimestamp: lambda node: _call("GETDATE"),
    exp.CurrentUser: lambda node: _call("SUSER_SNAME"),
    exp.Uuid: lambda node: _call("NEWID"),
    exp.Add: lambda node: _call("LAB_ADD", node.this, node.expression),
    exp.Div: lambda node: _call("LAB_DIV", node.this, node.expression),
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Convert: _cast,
    exp.Length: lambda node: _call("LEN", node.this),
    exp.ObjectId: lambda node: _call("OBJECT_ID", node.this),
    exp.StrPosition: lambda node: _call("CHARINDEX", node.args["substr"], node.this),
    exp.Left: lambda node: _call("SUBSTR", node.this, exp.Literal.number(1), node.expression),
    exp.Right: lambda node: _call("LAB_RIGHT", node.this, node.expression),
    exp.DateAdd: lambda node: _call("LAB_DATEADD", _unit(node), node.expression, node.this),
    exp.DateDiff: lambda node: _call("LAB_DATEDIFF", _unit(node), node.expression, node.this),
    exp.TimeStrToTime: lambda node: node.this,
    exp.Parameter: lambda node: exp.Placeholder(this=_variable(node)),
}
_TYPED: dict[type[exp.Expr], SqlType] = {
    exp.Count: INT,
    exp.CurrentTimestamp: DATETIME,
    exp.Uuid: GUID,
    exp.Length: INT,
    exp.DateDiff: INT,
    exp.DateAdd: DATETIME,
    exp.National: TEXT,
    exp.ObjectId: INT,
}
_TYPED_CALLS: dict[str, SqlType] = {
    "GETUTCDATE": DATETIME,
    "SYSDATETIME": DATETIME,
    "SYSUTCDATETIME": DATETIME,
    "DB_ID": INT,
    "HAS_DBACCESS": INT,
    "IS_SRVROLEMEMBER": INT,
    "IS_MEMBER": INT,
    "COUNT_BIG": BIGINT,
}
_SAME_TYPE = (exp.Max, exp.Min, exp.Coalesce, exp.Paren, exp.Alias)


def _variable(node: exp.Expr) -> str:
    return str(node.this.name).lower()


def _rewritten(tree: exp.Expr) -> exp.Expr:
    """The tree with every part replaced, the innermost first (sqlglot's own transform leaves new parts alone)."""
    for node in reversed(list(tree.dfs())):
        change = _REPLACED.get(type(node))
        if change is not None:
            if node is tree:
                return change(node)
            node.replace(change(node))
    return tree


class _Translator:
    def __init__(self, tree: exp.Expr, resolve: Resolver, kinds: Mapping[str, SqlType]) -> None:
        self.tree = tree
        self.resolve = resolve
        self.kinds = kinds
        self.translated = Translated("")
        self.sources: dict[int, Source] = {}
        self.temporary = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}

    def run(self) -> Translated:
        self.check_conditions()
        self.name_tables()
        select = self.first_select()
        if select is not None:
            self.read_columns(select)
        self.translated.sql = _rewritten(self.tree).sql(_Sqlite, identify=True)
        return self.translated

    def check_conditions(self) -> None:
        """``WHERE name-'x'`` is no condition: Transact-SQL has no boolean values (4145)."""
        for clause in self.tree.find_all(exp.Where, exp.Having):
            if not isinstance(clause.this.unnest(), (exp.Predicate, exp.Connector, exp.Not)):
                raise error(4145, clause.sql("tsql").split()[-1].strip("'"))

    def name_tables(self) -> None:
        target = self.tree.this if isinstance(self.tree, exp.Insert) else None
        inserted = target.this if isinstance(target, exp.Schema) else target
        for table in list(self.tree.find_all(exp.Table)):
            if table.name.lower() in self.temporary and not table.db:
                continue
            source = self.resolve(table.catalog, table.db, table.name)
            self.translated.databases.add(source.database_id)
            self.translated.names.append(table.name)
            alias = table.alias or table.name
            table.set("this", exp.to_identifier(source.stored_name, quoted=True))
            for gone in ("db", "catalog", "hints", "table_hints"):
                table.set(gone, None)
            if table is not inserted:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            self.sources[id(table)] = source
        for column in self.tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)

    def first_select(self) -> exp.Select | None:
        tree = self.tree
        while isinstance(tree, (exp.SetOperation, exp.Subquery)):
            tree = tree.this
        return tree if isinstance(tree, exp.Select) else None

    def read_columns(self, select: exp.Select) -> None:
        tables = {}
        for table in select.find_all(exp.Table):
            if table.parent_select is select and id(table) in self.sources:
                tables[table.alias.lower()] = self.sources[id(table)]
        if all(_is_assignment(item) for item in select.expressions):
            self.assign(select)
        columns: list[tuple[str, SqlType | None]] = []
        for item in select.expressions:
            if item.is_star:
                own = [table for table in select.find_all(exp.Table) if table.parent_select is select]
                if len(own) != len(tables) or any(sub.parent_select is select for sub in select.find_all(exp.Subquery)):
                    return
                columns.extend(self.star(item, tables))
            else:
                columns.append(
                    (item.alias_or_name if not isinstance(item, exp.Func) else "", _type(item, tables, self.kinds))
                )
        self.translated.columns = columns

    @staticmethod
    def star(item: exp.Expr, tables: dict[str, Source]) -> list[tuple[str, SqlType | None]]:
        wanted = item.table.lower() if isinstance(item, exp.Column) else ""
        return [column for name, source in tables.items() if wanted in ("", name) for column in source.columns]

    def assign(self, select: exp.Select) -> None:
        for item in select.expressions:
            self.translated.assigned.append(_variable(item.this))
        select.set("expressions", [item.expression for item in select.expressions])


def _is_assignment(item: exp.Expr) -> bool:
    return isinstance(item, (exp.EQ, exp.PropertyEQ)) and isinstance(item.this, exp.Parameter)


def _type(item: exp.Expr, tables: dict[str, Source], kinds: Mapping[str, SqlType]) -> SqlType | None:
    """The type of an expression, as far as its outermost part tells."""
    if isinstance(item, _SAME_TYPE):
        return _type(item.this, tables, kinds)
    if isinstance(item, (exp.Cast, exp.TryCast)):
        return parse_type(item.args["to"].sql("tsql"))
    if isinstance(item, exp.Convert):
        return parse_type(item.this.sql("tsql"))
    if isinstance(item, exp.Column):
        return _column_type(item, tables)
    if isinstance(item, exp.Parameter):
        return kinds.get(_variable(item))
    if isinstance(item, exp.Anonymous):
        return _TYPED_CALLS.get(str(item.this).upper())
    return _TYPED.get(type(item))


def _column_type(item: exp.Column, tables: dict[str, Source]) -> SqlType | None:
    chosen = [tables[item.table.lower()]] if item.table.lower() in tables else list(tables.values())
    for source in chosen:
        for name, kind in source.columns:
            if name.lower() == item.name.lower():
                return kind
    return None


def translate(text: str, resolve: Resolver, kinds: Mapping[str, SqlType]) -> Translated:
    """One query or change of rows for sqlite; raises 102 or what the resolver raises.  ``kinds`` are the variables'
    types.
    """
    return _Translator(parse(text), resolve, kinds).run()
