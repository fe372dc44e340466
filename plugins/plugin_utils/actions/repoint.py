# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting something that names the RMS name another one: a configuration file, or a registry value.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_problem
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    ADMINISTRATOR_TEST,
    REGISTRY,
    RMS_VALUE,
    SETUP_KEY,
    require_administrator,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import Edit
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.files import WindowsFiles, backup_path
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Questions,
    WindowsHost,
    parse_registry,
    quote,
)

# [field] the RMS that the reporting server of a computer uses.
REPORTING_KEY = REGISTRY + r"\Reporting"

NAMES_SPEC: dict[str, dict[str, t.Any]] = {
    "rms": {"type": "str", "required": True},
    "former_rms": {"type": "list", "elements": "str"},
}

Values = t.Mapping[str, str]


def check_names(step: str, arguments: Arguments) -> None:
    """Refuse names that cannot be those of servers.

    :raises OpsmgrError: the RMS is not given by its fully qualified name, or a former one has no usable name
    """
    names = [(arguments["rms"], True), *((name, False) for name in arguments.get("former_rms") or [])]
    for name, qualified in names:
        problem = name_problem(name, qualified=qualified)
        if problem:
            raise OpsmgrError(
                step,
                f"{name!r} is not usable as a server's name: {problem}",
                "Give the name as in DNS, such as deathsting.odyssey.com",
            )


def former_names(arguments: Arguments, registered: str | None = None) -> list[str]:
    """The names of former RMSs: as given, else as registered until now; each also in the domain of the RMS if it has
    none.

    Without one, the RMS's own: then nothing else is taken for a former one.
    """
    rms = arguments["rms"]
    names = arguments["former_rms"] if arguments["former_rms"] is not None else [registered] if registered else []
    usable = [name for name in names if name.lower() != rms.lower() and not name_problem(name, qualified=False)]
    domain = rms.partition(".")[2]
    return [*usable, *(f"{name}.{domain}" for name in usable if "." not in name)] or [rms]


def look(windows: WindowsHost, step: str, keys: t.Mapping[str, str]) -> dict[str, Values]:
    """The values of registry keys by lower-case name, empty for a key that is not there; `keys` are name to path.

    :raises OpsmgrError: the account is not an administrator
    """
    questions = Questions()
    questions.ask("administrator", ADMINISTRATOR_TEST)
    for name, key in keys.items():
        questions.ask(name, f"reg query {quote(key)}")
    answers = windows.ask(questions)
    require_administrator(step, answers["administrator"].succeeded)
    return {name: values_of(answers[name].text, key) for name, key in keys.items()}


def values_of(text: str, key: str) -> Values:
    """The values of a key, by lower-case name, in what reg wrote; it also lists the keys below it."""
    below = key.partition("\\")[2].lower()
    found = [values for path, values in parse_registry(text).items() if path.lower().partition("\\")[2] == below]
    return {name.lower(): data for values in found for name, data in values.items()}


def require_installed(step: str, setup: Values) -> None:
    """Refuse a computer without Operations Manager.

    :raises OpsmgrError: its Setup has left nothing in the registry
    """
    if not setup:
        found = f"no component of Operations Manager is installed here: {SETUP_KEY} is missing"
        raise OpsmgrError(step, found, "Check that the inventory names the right server")


@dataclass(frozen=True)
class FileEdit:
    """A configuration file as it is, and as it is to be."""

    path: str
    old: bytes
    edit: Edit

    def write(self, work: Work, step: str) -> None:
        """Replace the file if it changes, and tell the result; predict in check mode."""
        if not self.edit.changed:
            return
        if not work.check_mode:
            backup = backup_path(self.path)
            files = WindowsFiles(work.opsmgr.windows, step)
            with changing(work, {"changes": [], "backup": None}, lambda: self._look(files, backup)):
                files.replace_file(self.path, self.old, self.edit.content, backup)
            work.result["backup"] = backup
        work.result["changed"] = True
        work.result["changes"] = self._changes()
        work.result["diff"].append({"prepared": self.edit.diff(self.path)})

    def _changes(self) -> list[dict[str, t.Any]]:
        return [{"line": each.line, "before": each.old_value, "after": each.new_value} for each in self.edit.changes]

    def _look(self, files: WindowsFiles, backup: str) -> Facts:
        """What a replacement that failed has done. A file that somebody else changed tells nothing; it was left alone
        if the backup is gone again.
        """
        file = files.read_file(self.path)
        content = file.content if file is not None else None
        if content == self.old or (content != self.edit.content and files.read_file(backup) is None):
            return {"changes": [], "backup": None}
        return {"changes": self._changes() if content == self.edit.content else None, "backup": backup}


def plan_file(work: Work, step: str, path: str, edit: t.Callable[[bytes], Edit]) -> FileEdit:
    """Read a file and work out its edit; what names something else goes to the result. Nothing is changed.

    :raises OpsmgrError: the file is missing, read-only though it must change, or not to be edited
    """
    work.result["path"] = path
    files = WindowsFiles(work.opsmgr.windows, step)
    file = files.read_file(path)
    if file is None:
        raise OpsmgrError(
            step,
            f"there is no file {path}",
            "Check that the inventory names the right server, or name the file in the option path",
        )
    edited = edit(file.content)
    work.result["untouched"] = [
        {"line": each.line, "value": each.value, "reason": each.reason} for each in edited.untouched
    ]
    if edited.changed:
        files.require_writable(file)
    return FileEdit(path, file.content, edited)


def point_registry(work: Work, step: str, key: str, current: str | None) -> None:
    """Let the registry value name the RMS if it does not, and tell the result; predict in check mode."""
    rms = work.arguments["rms"]
    work.result["registry"] = work.result["registry_before"] = current
    if current is not None and current.lower() == rms.lower():
        return
    if not work.check_mode:
        windows = work.opsmgr.windows
        with changing(
            work, {"registry": current}, lambda: {"registry": registered(look(windows, step, {"key": key})["key"])}
        ):
            windows.set_registry_text(key, RMS_VALUE, rms, step)
        work.result["registry"] = rms
    work.result["changed"] = True
    work.result["diff"].append(diff({RMS_VALUE: current}, {RMS_VALUE: rms}, key))


def registered(values: Values) -> str | None:
    """The RMS that a key names, or None."""
    return values.get(RMS_VALUE.lower()) or None
