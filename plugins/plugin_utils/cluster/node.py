# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be so on every node of a clustered RMS, because it is kept on each node: the registry of the management
group, and the key.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import CONFIG_TOOL
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    GROUPS_KEY,
    ManagementServer,
    OpsMgrHost,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Questions,
    WindowsHost,
    directory_join,
    quote,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    ConversationError,
    Exchange,
    HeldConversation,
    converse,
)

# [field] A node where these are wrong logs event 29104 and is greyed out when it becomes active.
ROOT_VALUE = "IsRootHealthService"
PARENT_KEY = "Parent Health Services"


@dataclass(frozen=True)
class NodeRegistry:
    """The registry of one node. None means "could not be observed", here: the node belongs to no management group."""

    is_root: bool | None
    has_parent: bool | None
    key_fingerprint: str | None

    @property
    def consistent(self) -> bool:
        """Whether the node can be the active one."""
        return self.is_root is True and self.has_parent is False

    def as_result(self) -> dict[str, t.Any]:
        """As plain data for a module's result."""
        return {
            "is_root": self.is_root,
            "has_parent": self.has_parent,
            "key_fingerprint": self.key_fingerprint,
            "consistent": self.consistent,
        }


def read_registry(windows: WindowsHost, server: ManagementServer) -> NodeRegistry:
    """The registry of the node that `server` was observed on."""
    if server.management_group is None:
        return NodeRegistry(None, None, server.key_fingerprint)
    parent = windows.shell.read(f"reg query {quote(_parent_key(server))}>nul")
    return NodeRegistry(server.is_rms, parent.exit_code == 0, server.key_fingerprint)


def require_consistent(step: str, registry: NodeRegistry) -> None:
    """Refuse a node that must not be the active one.

    :raises OpsmgrError: its registry is wrong
    """
    if not registry.consistent:
        advice = "Set registry to repair; a node that never belonged to the clustered RMS is for opsmgr.recovery.rms_cluster_node"
        raise OpsmgrError(
            step, f"the registry of this node is not that of a clustered RMS: {wrong_in(registry)}", advice
        )


def wrong_in(registry: NodeRegistry) -> str:
    """What is wrong, as text."""
    if registry.is_root is None:
        return "it belongs to no management group"
    wrong = [] if registry.is_root else [f"{ROOT_VALUE} is not 1"]
    return " and ".join([*wrong, f"the key {PARENT_KEY} is there"] if registry.has_parent else wrong)


def export_path(server: ManagementServer, now: datetime | None = None) -> str:
    """Where the registry is exported to: the install directory, with the time in UTC in its name."""
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return directory_join(str(server.install_directory), f"ServerManagementGroups-{moment:%Y%m%dT%H%M%SZ}.reg")


def repair_registry(windows: WindowsHost, step: str, server: ManagementServer, backup: str) -> None:
    """Export the registry of the management group to the file `backup`, and correct the values that a node needs. Read it back
    afterwards.

    :raises OpsmgrError: the node belongs to no management group, or it could not be exported, and then nothing was
        changed
    """
    if server.management_group is None:
        advice = "Install the management server on it and let it join the cluster with opsmgr.recovery.rms_cluster_node"
        raise OpsmgrError(step, f"this node belongs to no management group: nothing is below {GROUPS_KEY}", advice)
    # reg of Windows Server 2003 would ask before it replaces a file.
    export = f"if not exist {quote(backup)} reg export {quote(GROUPS_KEY)} {quote(backup)}>nul"
    exported = windows.shell.run(f"{export}& for %f in ({quote(backup)}) do @echo [size %~zf]")
    if not re.search(r"\[size [1-9]\d*\]", exported.stdout):
        advice = "Check the rights on that folder and its free space, then rerun"
        raise OpsmgrError(
            step, f"the registry could not be exported to {backup}, and was left as it is: {exported.stderr}", advice
        )
    questions = Questions()
    questions.ask("root", f"reg add {quote(_group_key(server))} /v {ROOT_VALUE} /t REG_DWORD /d 1 /f")
    questions.ask("parent", f"reg delete {quote(_parent_key(server))} /f")
    windows.order(questions)


def join_cluster(
    opsmgr: OpsMgrHost, server: ManagementServer, options: t.Sequence[str], prompt: str, step: str
) -> HeldConversation:
    """Run ManagementServerConfigTool with `InstallCluster` or `AddRMSNode`, which may or may not ask for Y [assumed].
    Read the effect back afterwards.

    :raises OpsmgrError: the tool did not behave
    """
    # The options are checked by the module: letters, digits, - and _.
    command = f"{server.tool(CONFIG_TOOL)} {' '.join(options)}"
    try:
        return converse(opsmgr.windows.shell, command, [Exchange(prompt, "Y", decides=True, optional=True)])
    except ConversationError as error:
        raise opsmgr.conversation_problem(step, CONFIG_TOOL, error) from error


def _group_key(server: ManagementServer) -> str:
    return f"{GROUPS_KEY}\\{server.management_group}"


def _parent_key(server: ManagementServer) -> str:
    return f"{_group_key(server)}\\{PARENT_KEY}"
