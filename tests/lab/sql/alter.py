# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ALTER DATABASE ... SET: access modes, states, Service Broker, and who has to leave first.

What the server does to other sessions follows a published capture of a real one (SQL Server 2025) [field]; that
2005 and 2008 do the same is [assumed].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .batch import Statement
from .lexer import Token
from .messages import SqlError, error, message
from .sessions import Session, others
from .store import Database

if TYPE_CHECKING:
    from .engine import Engine

ACCESS = ("SINGLE_USER", "RESTRICTED_USER", "MULTI_USER")
STATES = ("ONLINE", "OFFLINE", "EMERGENCY")
BROKER = ("ENABLE_BROKER", "DISABLE_BROKER", "NEW_BROKER", "ERROR_BROKER_CONVERSATIONS")
EXCLUSIVE = frozenset({"SINGLE_USER", "OFFLINE", *BROKER})
"""Options that nobody else may be in the database for."""
SYSTEM_REFUSES = frozenset({*ACCESS, *STATES, "NEW_BROKER"})
"""Options that master, tempdb and model do not have."""


@dataclass(frozen=True)
class Termination:
    """What to do about the others: wait (for ever, or ``seconds``), refuse at once, or end them."""

    kind: str = "wait"
    seconds: float = 0


@dataclass(frozen=True)
class Setting:
    """One option and its value; most have none."""

    name: str
    value: str = ""


@dataclass(frozen=True)
class Alteration:
    """A parsed ALTER DATABASE ... SET."""

    database: str
    settings: list[Setting]
    termination: Termination


class _Reader:
    """Takes the statement's tokens one by one; running out of them is error 102 like any other surprise."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.tokens)

    def take(self) -> Token:
        if not self.more():
            raise error(102, self.tokens[-1].value)
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *words: str) -> bool:
        if self.more() and self.tokens[self.at].keyword in words:
            self.at += 1
            return True
        return False

    def expect(self, *words: str) -> str:
        token = self.take()
        if token.keyword not in words:
            raise error(102, token.value)
        return token.keyword


def parse(statement: Statement) -> Alteration:
    """Read the statement; raises 102."""
    reader = _Reader(statement.tokens[2:])
    name = reader.take()
    if not name.is_name:
        raise error(102, name.value)
    reader.expect("SET")
    settings = [_setting(reader)]
    while reader.accept(","):
        settings.append(_setting(reader))
    termination = _termination(reader) if reader.accept("WITH") else Termination()
    if reader.more():
        raise error(102, reader.take().value)
    return Alteration(name.value, settings, termination)


def _setting(reader: _Reader) -> Setting:
    name = reader.take()
    if name.kind != "word":
        raise error(102, name.value)
    if name.keyword in (*ACCESS, *STATES, *BROKER, "READ_ONLY", "READ_WRITE"):
        return Setting(name.keyword)
    reader.accept("=")
    return Setting(name.keyword, reader.take().value.upper())


def _termination(reader: _Reader) -> Termination:
    if reader.expect("ROLLBACK", "NO_WAIT") == "NO_WAIT":
        return Termination("refuse")
    if reader.expect("IMMEDIATE", "AFTER") == "IMMEDIATE":
        return Termination("end")
    number = reader.take()
    if number.kind != "number":
        raise error(102, number.value)
    reader.accept("SECONDS")
    return Termination("end", float(number.value))


def run(engine: Engine, statement: Statement) -> None:
    """Carry out the statement; its failures end with 5069."""
    alteration = parse(statement)
    session = engine.session
    if session.trancount or session.implicit_transactions:
        raise error(226, "ALTER DATABASE")
    database = engine.server.find(alteration.database)
    if database is not None and database.is_system and database.name != "msdb":
        for setting in alteration.settings:
            if setting.name in SYSTEM_REFUSES:
                raise error(5058, setting.name, database.name)
    try:
        if database is None or not session.login.may_administer(database):
            raise error(5011, alteration.database)
        _Change(engine, database, alteration).apply()
    except SqlError as problem:
        raise SqlError(*problem.messages, message(5069)) from None


class _Change:
    """One alteration under way."""

    def __init__(self, engine: Engine, database: Database, alteration: Alteration) -> None:
        self.engine = engine
        self.server = engine.server
        self.session: Session = engine.session
        self.database = database
        self.alteration = alteration
        self.names = [setting.name for setting in alteration.settings]

    def apply(self) -> None:
        self.check()
        self.make_room()
        self.check()
        for setting in self.alteration.settings:
            self.set(setting)
        self.server.notify()

    def others(self) -> list[Session]:
        return others(self.session, self.database, self.server.session_list())

    def unwanted(self) -> list[Session]:
        """The sessions that must go: all of them, or for RESTRICTED_USER those of ordinary users."""
        if EXCLUSIVE.intersection(self.names):
            return self.others()
        if "RESTRICTED_USER" in self.names:
            return [other for other in self.others() if not other.login.may_administer(self.database)]
        return []

    def check(self) -> None:
        """What is refused whoever is in the database."""
        database = self.database
        if len([name for name in self.names if name in ACCESS]) > 1:
            raise error(5062, self.names[1])
        if database.state == "RESTORING":
            raise error(5052, "ALTER DATABASE", "Restoring")
        if database.user_access == "SINGLE_USER" and self.others():
            raise error(5064, database.name)
        if database.state == "OFFLINE" and set(BROKER).intersection(self.names):
            raise error(942, database.name)
        if "ENABLE_BROKER" in self.names and self.server.broker_twin(database) is not None:
            raise error(9772, database.name)

    def make_room(self) -> None:
        termination = self.alteration.termination
        if not self.unwanted():
            return
        if termination.kind == "refuse":
            raise error(5070, self.database.name)
        if termination.kind == "wait":
            if not self.engine.wait(lambda: not self.unwanted(), self.session.lock_timeout):
                raise error(5061, self.database.name)
            return
        if termination.seconds:
            self.engine.wait(lambda: not self.unwanted(), termination.seconds)
        self.end_others()

    def end_others(self) -> None:
        unwanted = self.unwanted()
        for other in unwanted:
            self.server.end_session(other, "rollback")
        if unwanted:
            self.engine.tell(message(5060, 0, state=2))
            self.engine.tell(message(5060, 100))

    def set(self, setting: Setting) -> None:
        action = _ACTIONS.get(setting.name)
        if action is not None:
            action(self, setting.name)
        elif setting.name == "RECOVERY":
            self.database.recovery_model = setting.value
        else:
            self.database.options[setting.name] = setting.value

    def access(self, name: str) -> None:
        self.database.user_access = name
        self.server.release_seat(self.database)
        if name == "SINGLE_USER" and self.server.issuer_keeps_seat:
            self.session.held.add(self.database.id)

    def state(self, name: str) -> None:
        self.database.state = name
        if name == "OFFLINE":
            self.server.release_seat(self.database)
        if name == "OFFLINE" and self.session.database is self.database:
            self.engine.tell(message(5068))
            self.engine.change_database(self.server.databases["master"])

    def enable_broker(self, _name: str) -> None:
        self.database.is_broker_enabled = True

    def disable_broker(self, _name: str) -> None:
        self.database.is_broker_enabled = False

    def new_broker(self, _name: str) -> None:
        self.server.renew_broker(self.database)

    def error_conversations(self, _name: str) -> None:
        self.database.conversations = 0
        self.database.is_broker_enabled = True


_ACTIONS: dict[str, Callable[[_Change, str], None]] = {
    **dict.fromkeys(ACCESS, _Change.access),
    **dict.fromkeys(STATES, _Change.state),
    "ENABLE_BROKER": _Change.enable_broker,
    "DISABLE_BROKER": _Change.disable_broker,
    "NEW_BROKER": _Change.new_broker,
    "ERROR_BROKER_CONVERSATIONS": _Change.error_conversations,
}
