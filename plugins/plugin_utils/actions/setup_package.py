# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MOM.msi, the setup of a management server: where it is, which properties it gets, and its run as a task's result
shows it.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import Work
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import MEDIA_FOLDERS
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import directory_join, quote
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer import (
    LOG_NAME,
    Outcome,
    WindowsInstaller,
    install_command,
)

PACKAGE = "MOM.msi"
DEFAULT_DATABASE = "OperationsManager"
# Twin of doc_fragments/setup.py.
SETUP_SPEC: dict[str, dict[str, t.Any]] = {
    "package": {"type": "str"},
    "properties": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 3600.0},
}
SETUP_RESULT: dict[str, t.Any] = {
    "command": None,
    "exit_code": None,
    "reboot_required": None,
    "failed_action": None,
    "log": None,
    "log_excerpt": None,
}
# Names of properties [ms, from memory]. All of them can be replaced or left out by the option properties.
ACCOUNT_PROPERTIES = {"ACTIONS_USE_COMPUTER_ACCOUNT": "1", "SDK_USE_COMPUTER_ACCOUNT": "1"}
_FOLDERS = ("Server", "")
_SECRET_NAME = re.compile(r"(?i)passw|pwd|secret")


def check_properties(step: str, properties: t.Mapping[str, t.Any]) -> None:
    """Refuse a property that would carry a password, before a connection is opened.

    :raises OpsmgrError: there is one, or a value is no text
    """
    secret = next((name for name in properties if _SECRET_NAME.search(name)), None)
    if secret is not None:
        found = f"the property {secret} would put a password on a command line, which every process listing, the security log and the setup's log show"
        raise OpsmgrError(
            step,
            found,
            "Leave it out, and change the account afterwards; or run the setup on the console",
        )
    wrong = next((name for name, value in properties.items() if isinstance(value, (dict, list))), None)
    if wrong is not None:
        raise OpsmgrError(step, f"the property {wrong} is not a text", "Correct the option properties")


def database_properties(management_group: str, server: str, name: str) -> dict[str, str]:
    """The properties that say which management group and which operational database."""
    named = {} if name.lower() == DEFAULT_DATABASE.lower() else {"MOMDB": name}
    return {"MANAGEMENT_GROUP": management_group, "MOM_DB_SERVER": server, **named}


def find_package(work: Work, step: str) -> str:
    """The path of MOM.msi: as the user says, else on the installation media.

    :raises OpsmgrError: it is not there
    """
    wanted = work.arguments["package"]
    questions = work.opsmgr.windows.questions()
    questions.ask("architecture", "echo %PROCESSOR_ARCHITECTURE%")
    questions.ask(
        "packages", f"for %f in ({' '.join(map(quote, [wanted] if wanted else _places()))}) do @if exist %f echo %~f"
    )
    answers = work.opsmgr.windows.ask(questions)
    # A path with a percent sign comes back with the quotation marks that quote() put around the sign.
    paths = [line.strip().replace('"', "") for line in answers["packages"].text.splitlines() if line.strip()]
    found = next(iter(paths), None) if wanted else _fitting(paths, answers["architecture"].text.strip())
    if found is None:
        where = wanted or f"{PACKAGE} on the drives D to H and C"
        advice = "Insert the installation media, or copy them to the server, and name the file in the option package"
        raise OpsmgrError(step, f"{where} was not found on the server", advice)
    return found


def _places() -> list[str]:
    folders = [
        directory_join(folder, name) if folder else name
        for folder in _FOLDERS
        for name in (*MEDIA_FOLDERS.values(), "")
    ]
    return [
        f"{drive}:\\{directory_join(folder, PACKAGE) if folder else PACKAGE}"
        for drive in "DEFGHC"
        for folder in folders
    ]


def _fitting(paths: t.Sequence[str], architecture: str) -> str | None:
    """The package for this processor, else one that is in no processor's folder."""
    folder = MEDIA_FOLDERS.get(architecture.upper(), "")
    others = set(MEDIA_FOLDERS.values()) - {folder}
    suitable = [path for path in paths if not others.intersection(path.lower().split("\\"))]
    own = [path for path in suitable if folder in path.lower().split("\\")]
    return next(iter(own + suitable), None)


@dataclass(frozen=True)
class Setup:
    """A run of MOM.msi to be."""

    package: str
    properties: t.Mapping[str, str]


def prepare(work: Work, step: str, own: t.Mapping[str, str]) -> Setup:
    """What will run, `own` being the properties that the module gives by itself; the result has the command.

    :raises OpsmgrError: there is no package, or a property cannot be given
    """
    given = {**own, **work.arguments["properties"]}
    setup = Setup(find_package(work, step), {name: str(value) for name, value in given.items() if value is not None})
    work.result["command"] = install_command(
        setup.package, setup.properties, work.opsmgr.windows.temporary_path(LOG_NAME)
    )
    return setup


def run_setup(
    work: Work, step: str, installer: WindowsInstaller, setup: Setup, is_done: t.Callable[[], bool]
) -> Outcome | None:
    """Run MOM.msi and say in the result how it ended; None when there was nothing to do after all.

    :raises OpsmgrError: it failed; the sentence has the action that failed and where the log is
    """
    outcome = installer.bring_about(setup.package, setup.properties, is_done)
    if outcome is None:
        work.result["command"] = None
        return None
    work.result.update(
        # A setup that began and failed was rolled back, but that nothing at all is left of it is more than anybody
        # knows.
        changed=outcome.began,
        exit_code=outcome.exit_code,
        reboot_required=outcome.reboot_required,
        failed_action=outcome.failed_action,
        log=outcome.log,
        log_excerpt=outcome.excerpt,
    )
    if not outcome.succeeded:
        raise outcome.problem(step, setup.package)
    return outcome
