# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reg.exe: query, add, delete, copy, export, import, compare.

Windows Server 2003 begins its listings with ``! REG.EXE VERSION 3.0`` and separates with tabs, 2008 R2 with four
blanks; errors go to standard error, the exit code is 0, 1, and 2 for a comparison that found differences [ms].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Win32Error
from ..process import Process
from ..registry import TYPES, Key, Type, Value, full_name, split_root
from . import reg_text

NOT_FOUND = "The system was unable to find the specified registry key or value"


class RegFailure(Exception):
    """The message of an error."""


@dataclass
class Call:
    """The arguments of one ``reg`` command: words, switches, and switches with a value."""

    process: Process
    words: list[str] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def wide(self) -> bool:
        """Whether this is the tool of 2008 R2."""
        return self.process.host.windows.wide

    def path(self, index: int) -> str:
        """A key given as a word; with ``/reg:32`` below WOW6432Node."""
        if index >= len(self.words):
            raise invalid_syntax()
        try:
            root, rest = split_root(self.words[index])
        except Win32Error as error:
            raise RegFailure("Invalid key name." if self.wide else "Invalid key name") from error
        if "/reg:32" in self.switches and root == "HKLM" and rest.lower().startswith("software\\"):
            rest = "SOFTWARE\\Wow6432Node\\" + rest[9:]
        return f"{root}\\{rest}" if rest else root

    def key(self, index: int) -> Key:
        """The key of a word; an error when it is missing."""
        key = self.process.host.registry.key(self.path(index), self.process.session)
        if key is None:
            raise RegFailure(NOT_FOUND)
        return key

    def value_name(self) -> str | None:
        """``/v name`` or ``/ve``; None for neither."""
        return "" if "/ve" in self.switches else self.values.get("/v")

    def succeed(self) -> int:
        """The sentence of success."""
        text = "The operation completed successfully"
        self.process.say(*([text + "."] if self.wide else ["", text]))
        return 0

    def confirmed(self, question: str) -> bool:
        """Ask, unless ``/f``; at the end of a pipe the answer is no."""
        if "/f" in self.switches:
            return True
        while True:
            self.process.out(f"{question}({'Yes/No' if self.wide else 'Y/N'})? ", apart=True)
            line = self.process.stdin.read_line()
            if line is None or line[:1].lower() in ("y", "n"):
                return bool(line) and str(line)[:1].lower() == "y"


def invalid_syntax() -> RegFailure:
    """The error for arguments that do not fit."""
    return RegFailure("Invalid syntax.")


def _parse(process: Process, words: list[str], with_value: set[str], flags: set[str]) -> Call:
    call = Call(process)
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        switch = word.lower()
        if not word.startswith("/") or word == "/":
            call.words.append(word)
        elif switch in with_value and waiting:
            call.values[switch] = waiting.pop(0)
        elif switch in flags:
            call.switches.add(switch)
        else:
            raise invalid_syntax()
    return call


# query


def _query(process: Process, words: list[str]) -> int:
    """``reg query key [/v name | /ve] [/s] [/f text]``."""
    wide = process.host.windows.wide
    search = ({"/f", "/t", "/se"}, ("/k", "/d", "/c", "/e", "/z")) if wide else (set(), ())
    call = _parse(process, words, {"/v", *search[0]}, _flags(process, "/ve", "/s", *search[1]))
    if len(call.words) != 1:
        raise invalid_syntax()
    key, path = call.key(0), full_name(call.path(0))
    if "/f" in call.values:
        return _search(call, path, key)
    name = call.value_name()
    lines = ["", "! REG.EXE VERSION 3.0", ""] if not call.wide else [""]
    lines += _one_value(call, path, key, name) if name is not None else _listing(call, path, key)
    process.say(*lines)
    return 0


def _flags(process: Process, *switches: str) -> set[str]:
    return {*switches, *(("/reg:32", "/reg:64") if process.host.windows.wide else ())}


def _one_value(call: Call, path: str, key: Key, name: str) -> list[str]:
    """The value in this key, with ``/s`` in all below; an error without any."""
    lines: list[str] = []
    for place, found in _tree(path, key) if "/s" in call.switches else [(path, key)]:
        if name.lower() in found.values:
            lines += [place, _line(call, found.values[name.lower()]), ""]
    if not lines:
        raise RegFailure(NOT_FOUND)
    return lines


def _listing(call: Call, path: str, key: Key) -> list[str]:
    if "/s" in call.switches:
        return [line for place, found in _tree(path, key) for line in [place, *_lines(call, found), ""]]
    values = [path, *_lines(call, key), ""] if key.values or not call.wide else []
    return [*values, *(f"{path}\\{key.subkeys[name].name}" for name in sorted(key.subkeys))]


def _tree(path: str, key: Key) -> list[tuple[str, Key]]:
    found = [(path, key)]
    for name in sorted(key.subkeys):
        found += _tree(f"{path}\\{key.subkeys[name].name}", key.subkeys[name])
    return found


def _lines(call: Call, key: Key) -> list[str]:
    return [_line(call, key.values[name]) for name in sorted(key.values)]


def _line(call: Call, value: Value) -> str:
    name = value.name or ("(Default)" if call.wide else "<NO NAME>")
    return "    " + ("    " if call.wide else "\t").join((name, value.type, reg_text.shown(value, call.wide)))


def _search(call: Call, path: str, key: Key) -> int:
    """``/f``: keys, names and data that contain the text; exit 1 when nothing does [ms]."""
    wanted = call.values["/f"]
    sides = {"/k", "/d"} & call.switches or {"/k", "/d", "/v"}
    fits = _fitting(wanted, exact="/e" in call.switches, case="/c" in call.switches)
    lines, count = [""], 0
    for place, found in _tree(path, key) if "/s" in call.switches else [(path, key)]:
        hits = [value for value in found.values.values() if _hit(call, value, sides, fits)]
        if hits:
            lines += [place, *(_line(call, value) for value in hits), ""]
        names = [sub.name for sub in found.subkeys.values() if "/k" in sides and fits(sub.name)]
        lines += [f"{place}\\{name}" for name in names]
        count += len(hits) + len(names)
    call.process.say(*lines, f"End of search: {count} match(es) found.")
    return 0 if count else 1


def _fitting(wanted: str, *, exact: bool, case: bool) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        here, there = (text, wanted) if case else (text.lower(), wanted.lower())
        return here == there if exact else there in here

    return fits


def _hit(call: Call, value: Value, sides: set[str], fits: Callable[[str], bool]) -> bool:
    in_name = "/v" in sides and fits(value.name)
    in_data = "/d" in sides and fits(reg_text.shown(value, True))
    return (in_name or in_data) and call.values.get("/t", value.type).upper() == value.type


# add, delete, copy


def _add(process: Process, words: list[str]) -> int:
    """``reg add key [/v name | /ve] [/t type] [/s separator] [/d data] [/f]``."""
    call = _parse(process, words, {"/v", "/t", "/s", "/d"}, _flags(process, "/ve", "/f"))
    registry, path, name = process.host.registry, call.path(0), call.value_name()
    if len(call.words) != 1 or (name is None and call.values):
        raise invalid_syntax()
    if name is None:
        registry.create(path, process.session)
        return call.succeed()
    kind = _type(call.values.get("/t", "REG_SZ"))
    try:
        data = reg_text.parse_data(kind, call.values.get("/d", ""), call.values.get("/s", "\\0"))
    except ValueError as error:
        raise invalid_syntax() from error
    shown_name = f"Value {name}" if name else "Value "
    if registry.value(path, name) is not None and not call.confirmed(f"{shown_name} exists, overwrite"):
        process.say("The operation was canceled by the user.")
        return 0
    registry.set(path, name, data, kind, process.session)
    return call.succeed()


def _type(text: str) -> Type:
    for kind in TYPES:
        if kind == text.upper():
            return kind
    raise invalid_syntax()


def _delete(process: Process, words: list[str]) -> int:
    """``reg delete key [/v name | /ve | /va] [/f]``."""
    call = _parse(process, words, {"/v"}, _flags(process, "/ve", "/va", "/f"))
    registry, path, name = process.host.registry, call.path(0), call.value_name()
    key = call.key(0)
    whole_key = f"Permanently delete the registry key {full_name(path)} "
    what = whole_key if name is None else f"Delete the registry value {name} "
    if name is not None and name.lower() not in key.values:
        raise RegFailure(NOT_FOUND)
    if not call.confirmed(what):
        process.say("The operation was canceled by the user.")
        return 0
    if name is not None:
        registry.delete_value(path, name, process.session)
    elif "/va" in call.switches:
        for value in list(key.values.values()):
            registry.delete_value(path, value.name, process.session)
    else:
        registry.delete(path, process.session)
    return call.succeed()


def _copy(process: Process, words: list[str]) -> int:
    """``reg copy key key [/s] [/f]``."""
    call = _parse(process, words, set(), _flags(process, "/s", "/f"))
    source = call.key(0)
    target = process.host.registry.create(call.path(1), process.session)
    wanted = source if "/s" in call.switches else Key(source.name, source.values)
    existing = [value.name for name, value in target.values.items() if name in wanted.values]
    if existing and not call.confirmed(f"Value {existing[0]} exists, overwrite"):
        return 0
    wanted.copy_to(target)
    return call.succeed()


# export, import, compare


def _export(process: Process, words: list[str]) -> int:
    """``reg export key file [/y]``; ``/y`` is known from Vista on, before that an existing file is replaced at once
    [assumed].
    """
    call = _parse(process, words, set(), _flags(process, *(("/y",) if process.host.windows.wide else ())))
    if len(call.words) != 2:
        raise invalid_syntax()
    text = reg_text.export_text(full_name(call.path(0)), call.key(0))
    file = call.words[1]
    if process.files.exists(file) and call.wide and "/y" not in call.switches:
        call.switches.discard("/f")
        if not call.confirmed(f"File {file} already exists. Overwrite "):
            process.say("The operation was canceled by the user.")
            return 0
    process.files.write(file, b"\xff\xfe" + text.encode("utf-16-le"))
    return call.succeed()


def _import(process: Process, words: list[str]) -> int:
    """``reg import file``; its sentence of success goes to standard error [field]."""
    call = _parse(process, words, set(), _flags(process))
    if len(call.words) != 1:
        raise invalid_syntax()
    registry, session = process.host.registry, process.session
    try:
        changes = list(reg_text.parse_file(process.files.read(call.words[0])))
    except ValueError as error:
        raise RegFailure("Error accessing the registry.") from error
    for path, change in changes:
        if path.startswith("-"):
            if registry.exists(path[1:]):
                registry.delete(path[1:], session)
        elif change is None:
            registry.create(path, session)
        elif isinstance(change, Value):
            registry.set(path, change.name, change.data, change.type, session)
        elif registry.value(path, change) is not None:
            registry.delete_value(path, change, session)
    text = "The operation completed successfully"
    process.complain(*([text + "."] if call.wide else ["", text]))
    return 0


def _compare(process: Process, words: list[str]) -> int:
    """``reg compare key key [/v name | /ve] [/s] [/oa | /od | /os | /on]``: 0 for the same, 2 for differences."""
    call = _parse(process, words, {"/v"}, _flags(process, "/ve", "/s", "/oa", "/od", "/os", "/on"))
    sides: list[dict[tuple[str, str, str, str], str]] = []
    for index in (0, 1):
        path = full_name(call.path(index))
        places = _tree("", call.key(index)) if "/s" in call.switches else [("", call.key(index))]
        name = call.value_name()
        sides.append(
            {
                (place.lower(), value.name.lower(), reg_text.shown(value, True), value.type): path + place
                for place, key in places
                for value in key.values.values()
                if name is None or value.name.lower() == name.lower()
            }
        )
    different = bool(sides[0].keys() ^ sides[1].keys())
    if "/on" not in call.switches:
        lines = _differences(sides, same="/os" in call.switches, all_lines="/oa" in call.switches)
        process.say("", f"Results Compared:  {'Different' if different else 'Identical'}", *lines)
    call.succeed()
    return 2 if different else 0


def _differences(sides: list[dict[tuple[str, str, str, str], str]], *, same: bool, all_lines: bool) -> list[str]:
    lines: list[str] = []
    for mark, side, other in (("<", sides[0], sides[1]), (">", sides[1], sides[0])):
        for entry, path in sorted(side.items()):
            equal = entry in other
            if all_lines or equal == same:
                lines.append(f"{'=' if equal else mark} Value:  {path} {entry[1]} {entry[3]} {entry[2]}")
    return lines


COMMANDS: dict[str, Callable[[Process, list[str]], int]] = {
    "query": _query,
    "add": _add,
    "delete": _delete,
    "copy": _copy,
    "export": _export,
    "import": _import,
    "compare": _compare,
}


def reg(process: Process) -> int:
    """The program."""
    words = process.argv[1:]
    command = COMMANDS.get(words[0].lower()) if words else None
    try:
        if command is None:
            raise invalid_syntax()
        return command(process, words[1:])
    except RegFailure as error:
        _complain(process, str(error), words[0].upper() if words else "")
    except Win32Error as error:
        _complain(process, error.text.rstrip("."), "")
    return 1


def _complain(process: Process, text: str, command: str) -> None:
    """An error in the words of the profile's tool [field]."""
    usage = text.startswith("Invalid syntax")
    hint = [
        f'Type "REG {command} /?" for usage.' if command in map(str.upper, COMMANDS) else 'Type "REG /?" for usage.'
    ]
    if process.host.windows.wide:
        process.complain(f"ERROR: {text.rstrip('.')}.", *(hint if usage else []))
    else:
        process.complain("", f"Error:  {text.rstrip('.')}", *(hint if usage else []))
