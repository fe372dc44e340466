# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_promotion: this server is the RMS. The reply Y is the point of no return."""
from __future__ import annotations

import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.action import (
    CONVERSATION_SPEC,
    KEY_MATERIAL_SPEC,
    Arguments,
    OpsmgrAction,
    Work,
    diff,
    why_unreachable,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr import CONFIG_TOOL, PROMOTION_PROMPT, ManagementServer
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import (
    PIPE,
    CommandTimeout,
    ConnectionLost,
    Conversation,
    ConversationError,
    Deadline,
    ShellFault,
)

STEP = "promote this server to the RMS"
# Seconds. The tool has ended when its effect is looked for; the registry only needs a moment at the most.
EFFECT_SECONDS = 15
ANSWERED = "the question was answered with Y, the point of no return is passed"
RERUN = "look at the registry first, and promote only if this server is not the RMS yet"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **CONVERSATION_SPEC,
        **KEY_MATERIAL_SPEC,
        "delete_existing_rms": {"type": "bool", "default": True},
        "existing_rms_clustered": {"type": "bool"},
        "promotion_prompt": {"type": "str", "default": PROMOTION_PROMPT},
        "promotion_timeout": {"type": "float", "default": 1800.0},
    }
    RESULT = {"is_rms": None, "command": None, "transcript": None, "past_point_of_no_return": False}

    def check_arguments(self, arguments: Arguments) -> None:
        # Only the caller can know: the virtual server cannot be asked from here, and its nodes may be dead.
        if arguments["delete_existing_rms"] and arguments["existing_rms_clustered"] is None:
            raise OpsmgrError(
                STEP,
                "/DeleteExistingRMS:true is wanted, it must never be used for a clustered RMS, and it is not said whether the existing RMS is clustered",
                "Make sure that the RMS is no virtual server of a cluster and set existing_rms_clustered to false, or set delete_existing_rms to false",
            )
        if arguments["delete_existing_rms"] and arguments["existing_rms_clustered"]:
            raise OpsmgrError(
                STEP,
                "/DeleteExistingRMS:true would remove the clustered RMS from the database, and it cannot be created again later",
                "Set delete_existing_rms to false",
            )

    def when_unreachable(self, error: AnsibleConnectionFailure, arguments: Arguments, result: dict[str, t.Any]) -> None:
        # A play stops the old RMS before this step, and its rescue, which starts it again, runs for failed hosts only.
        raise OpsmgrError(STEP, why_unreachable(error), "See that it answers and run it again")

    def act(self, work: Work) -> None:
        server = _after_any_running_promotion(work, work.opsmgr.require_server(STEP, probe=True))
        work.result["is_rms"] = server.is_rms
        # A node of a clustered RMS calls itself RMS at all times, also while another server has the role.
        if server.is_rms and not server.clustered:
            return
        _require_ready(work, server)
        delete = work.arguments["delete_existing_rms"]
        work.result["command"] = f"{CONFIG_TOOL} PromoteRMS /DeleteExistingRMS:{str(delete).lower()}"
        prediction = diff({"RMS": False}, {"RMS": True}, server.computer_name)
        if work.check_mode:
            work.result.update(changed=True, diff=prediction)
            return
        talk = _promote(work, server, delete)
        _prove(work, talk)
        work.result["diff"] = prediction


def _after_any_running_promotion(work: Work, server: ManagementServer) -> ManagementServer:
    """Let a promotion that an interrupted run started come to its end, or end it if it still waits for its answer."""
    if work.check_mode:
        return server
    if not server.promotion_running:
        if server.promotion_answered is not None:
            work.opsmgr.clear_promotion_mark()
        return server
    if server.promotion_answered is False:
        work.opsmgr.stop_unanswered_promotion()
        return work.opsmgr.observe()
    deadline = Deadline(work.arguments["promotion_timeout"])
    while not deadline.passed():
        server = work.opsmgr.observe(after_seconds=3)
        if not server.promotion_running:
            work.opsmgr.clear_promotion_mark()
            return server
    found = f"{CONFIG_TOOL} runs on this server already and does not end"
    raise OpsmgrError(STEP, found, "Look at it at the server's desk; never start a second one")


def _require_ready(work: Work, server: ManagementServer) -> None:
    """Everything that can be known before the point of no return. In check mode earlier steps were only predicted."""
    if server.clustered and work.arguments["delete_existing_rms"]:
        found = "this server is a node of a cluster, which may be that of the RMS, and /DeleteExistingRMS:true would remove a clustered RMS for good"
        raise OpsmgrError(STEP, found, "Set delete_existing_rms to false")
    if not work.check_mode:
        work.opsmgr.require_tool(server, CONFIG_TOOL, STEP)
    if not server.key_present and not work.check_mode:
        raise OpsmgrError(STEP, "the group's key is not on this server", "Restore it first; opsmgr.recovery.secure_storage_restore does that")
    if server.is_rms is None:
        raise OpsmgrError(STEP, "the registry does not say that this server belongs to a management group", "Promote a management server")


def _promote(work: Work, server: ManagementServer, delete: bool) -> Conversation:
    arguments = work.arguments
    try:
        talk = work.opsmgr.promote(server, delete, arguments["promotion_prompt"], arguments["promotion_timeout"])
    except ConversationError as error:
        work.result.update(transcript=error.transcript, past_point_of_no_return=error.decided, changed=error.decided)
        problem = work.opsmgr.conversation_problem(STEP, CONFIG_TOOL, error)
        if error.decided:
            advice = "Leave the tool alone; run this again when it has ended"
            raise OpsmgrError(STEP, problem.found, advice, ANSWERED, RERUN) from error
        raise problem from error
    except (ConnectionLost, ShellFault, CommandTimeout) as error:
        # left_running: Y was sent, or may have been. Nothing may be undone then, although nobody saw the tool end.
        if not work.opsmgr.windows.shell.left_running:
            raise
        work.result.update(past_point_of_no_return=True, changed=True)
        raise OpsmgrError(STEP, str(error), "See that the server and its WinRM service answer, and run it again", ANSWERED, RERUN) from error
    work.result.update(transcript=talk.transcript, past_point_of_no_return=True, changed=True)
    return talk


def _prove(work: Work, talk: Conversation) -> None:
    deadline = Deadline(EFFECT_SECONDS)
    while not work.opsmgr.observe().is_rms:
        if deadline.passed():
            problem = work.opsmgr.no_effect(STEP, CONFIG_TOOL, "the registry does not call this server the RMS", talk)
            advice = problem.what_to_do if work.opsmgr.windows.shell.input_kind == PIPE else "Look at the Operations Manager event log of this server"
            raise OpsmgrError(STEP, problem.found, advice, ANSWERED, RERUN)
        work.opsmgr.windows.pause(1)
    work.result["is_rms"] = True
