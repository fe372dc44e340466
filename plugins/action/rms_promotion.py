# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_promotion: this server is the RMS. The reply Y is the point of no return."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    KEY_MATERIAL_SPEC,
    Arguments,
    OpsmgrAction,
    Work,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.events import events_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import (
    CLEAR_COMMAND,
    CONFIG_TOOL,
    CONFIRMED,
    MARK_KEY,
    MAY_BE_ANSWERED,
    SHOW_PROCESSES,
    Phase,
    Promotion,
    PromotionState,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    GROUPS_COMMAND,
    HEALTH_SERVICE,
    PROMOTION_PROMPT,
    ManagementServer,
    read_role,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    ConversationError,
    ConversationLost,
    Decision,
    HeldConversation,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    connection_advice,
    why_unreachable,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import PIPE, Deadline

STEP = "promote this server to the RMS"
# Seconds. The tool has ended when its effect is looked for; the registry only needs a moment at the most.
EFFECT_SECONDS = 15
# Seconds between two looks at a tool that works.
LOOK_SECONDS = 3
ANSWERED = {
    Decision.MAY_BE_SENT: "the question may have been answered with Y",
    Decision.SENT: "the question was answered with Y",
}
RERUN = "look at the registries and the database first, and promote only if the role has not moved"
HOW_TO_FIND_OUT = (
    f"Run `{SHOW_PROCESSES}` on that server to see whether the tool still runs; do not start a second one. When it has ended, "
    f"and only then, `{CLEAR_COMMAND}` removes the mark, and the rerun decides by registries and database"
)


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
    RESULT = {"is_rms": None, "command": None, "exit_code": None, "transcript": None, "past_point_of_no_return": False}

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
        raise OpsmgrError(STEP, why_unreachable(error), connection_advice(error))

    def act(self, work: Work) -> None:
        promotion = Promotion(work.opsmgr.windows, STEP)
        server = work.opsmgr.require_server(STEP, probe=True)
        if not work.check_mode:
            server = _after_any_earlier_promotion(work, promotion, server)
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
        talk = _promote(work, promotion, server, delete)
        _prove(work, talk)
        promotion.clear_mark()
        work.result["diff"] = prediction


def _after_any_earlier_promotion(work: Work, promotion: Promotion, server: ManagementServer) -> ManagementServer:
    """Let a promotion that an interrupted run started come to its end, or end it if it still waits for its answer.

    :raises OpsmgrError: it does not end, or it cannot be told whether it has ended
    """
    found = server.promotion
    if found.phase in (Phase.NONE, Phase.ENDED):
        if found.answered is not None:
            promotion.clear_mark()
        return server
    seconds: float = EFFECT_SECONDS
    if _may_work_long(found):
        seconds = work.arguments["promotion_timeout"]
    if found.phase is Phase.UNANSWERED:
        promotion.end_unanswered(found)
    if found.phase is Phase.MAY_BE_ANSWERED:
        _require_ready(work, server)
        seconds = _rejoin(work, promotion, found)
    ended = _wait_for_end(work, seconds)
    if ended is None:
        raise OpsmgrError(STEP, _still_there(found), HOW_TO_FIND_OUT)
    promotion.clear_mark()
    if ended.clustered and found.phase is not Phase.UNANSWERED:
        # Only the database can tell whether the role came to a node.
        what = f"the promotion of an earlier run has ended here just now (exit code {_code(ended.promotion.exit_code)})"
        raise OpsmgrError(STEP, what, "Rerun: it asks the database whether the role has moved")
    return ended


def _may_work_long(found: PromotionState) -> bool:
    """Whether it is worth waiting for its end: not if it waits for an answer, and not if the mark means nothing to this
    version.
    """
    return found.answered in (None, MAY_BE_ANSWERED, CONFIRMED)


def _still_there(found: PromotionState) -> str:
    if found.phase is Phase.CANNOT_BE_TOLD:
        return f"a promotion was begun on this server, and it cannot be told whether {CONFIG_TOOL} still runs ({MARK_KEY} in the registry is there)"
    return f"{CONFIG_TOOL} runs on this server already and does not end"


def _rejoin(work: Work, promotion: Promotion, found: PromotionState) -> float:
    """Give the tool the answer that may have been lost on its way. Returns how many seconds are worth waiting for its
    end afterwards.
    """
    arguments = work.arguments
    if found.conversation is None:
        return float(arguments["conversation_timeout"])
    try:
        talk = promotion.rejoin(found.conversation, arguments["promotion_timeout"])
    except ConversationError as error:
        work.result.update(transcript=error.transcript, past_point_of_no_return=True, changed=True)
        raise OpsmgrError(
            STEP, f"{CONFIG_TOOL}: {error}", HOW_TO_FIND_OUT, ANSWERED[Decision.MAY_BE_SENT], RERUN
        ) from error
    except (ConnectionLost, ShellFault):
        # The shell is gone, or another account's. What is observed on the server decides.
        return float(arguments["conversation_timeout"])
    work.result.update(transcript=talk.transcript, exit_code=talk.exit_code, past_point_of_no_return=True, changed=True)
    return EFFECT_SECONDS


def _wait_for_end(work: Work, seconds: float) -> ManagementServer | None:
    """The server when no promotion is under way on it any more; None when the time is over."""
    deadline = Deadline(seconds)
    pause = 0
    while True:
        server = work.opsmgr.observe(after_seconds=pause)
        if server.promotion.phase in (Phase.NONE, Phase.ENDED):
            return server
        if deadline.passed():
            return None
        pause = LOOK_SECONDS


def _require_ready(work: Work, server: ManagementServer) -> None:
    """Everything that can be known before the point of no return. In check mode earlier steps were only predicted."""
    if server.clustered and work.arguments["delete_existing_rms"]:
        found = "this server is a node of a cluster, which may be that of the RMS, and /DeleteExistingRMS:true would remove a clustered RMS for good"
        raise OpsmgrError(STEP, found, "Set delete_existing_rms to false")
    if not work.check_mode:
        work.opsmgr.require_tool(server, CONFIG_TOOL, STEP)
    if not server.key_present and not work.check_mode:
        raise OpsmgrError(
            STEP,
            "the group's key is not on this server",
            "Restore it first; opsmgr.recovery.secure_storage_restore does that",
        )
    if server.is_rms is None:
        raise OpsmgrError(
            STEP,
            "the registry does not say that this server belongs to a management group",
            "Promote a management server",
        )


def _promote(work: Work, promotion: Promotion, server: ManagementServer, delete: bool) -> HeldConversation:
    arguments = work.arguments
    command = work.opsmgr.promotion_command(server, delete)
    try:
        talk = promotion.carry_out(
            command,
            arguments["promotion_prompt"],
            arguments["promotion_timeout"],
            lambda: _look_again(work, server),
            then=GROUPS_COMMAND,
        )
    except ConversationError as error:
        return _after_broken_conversation(work, error)
    work.result.update(transcript=talk.transcript, exit_code=talk.exit_code, past_point_of_no_return=True, changed=True)
    return talk


def _look_again(work: Work, server: ManagementServer) -> None:
    """Refuse to answer when the registry does not say any more what this task was begun with.

    :raises OpsmgrError: it differs
    """
    now = work.opsmgr.role()
    if (now.management_group, now.is_rms) != (server.management_group, server.is_rms):
        seen = f"management group {now.management_group}, RMS {now.is_rms}"
        found = f"the registry of this server has changed meanwhile: {seen}. The question was not answered"
        raise OpsmgrError(STEP, found, "Find out who else works on this management group, then rerun")


def _after_broken_conversation(work: Work, error: ConversationError) -> HeldConversation:
    """What follows from the decision, and when the connection broke behind it, from the end of the tool."""
    answered = error.decision is not Decision.NOT_SENT
    work.result.update(transcript=error.transcript, past_point_of_no_return=answered, changed=answered)
    problem = work.opsmgr.conversation_problem(STEP, CONFIG_TOOL, error)
    if not answered:
        raise problem from error
    ended = None
    seconds = EFFECT_SECONDS
    if error.decision is Decision.SENT:
        seconds = work.arguments["promotion_timeout"]
    if isinstance(error, ConversationLost):
        # A look repeats nothing that was said, so it may be tried over a new connection.
        with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
            ended = _wait_for_end(work, seconds)
    if ended is None:
        raise OpsmgrError(STEP, problem.found, HOW_TO_FIND_OUT, ANSWERED[error.decision], RERUN) from error
    work.result["exit_code"] = ended.promotion.exit_code
    return HeldConversation(error.transcript, "", ended.promotion.exit_code, 1)


def _prove(work: Work, talk: HeldConversation) -> None:
    """Have the registry call this server the RMS: as read by the command line of the tool when the tool had ended, else as it
    is read now.

    :raises OpsmgrError: it does not
    """
    deadline = Deadline(EFFECT_SECONDS)
    is_rms = read_role(talk.private_output).is_rms
    pause = 0
    while not is_rms:
        is_rms = work.opsmgr.role(after_seconds=pause).is_rms
        pause = 1
        if not is_rms and deadline.passed():
            problem = work.opsmgr.no_effect(STEP, CONFIG_TOOL, "the registry does not call this server the RMS", talk)
            advice = f"Check the Operations Manager event log of this server{events_of([HEALTH_SERVICE])}"
            if work.opsmgr.windows.shell.input_kind == PIPE:
                advice = problem.what_to_do
            raise OpsmgrError(STEP, problem.found, advice, ANSWERED[Decision.SENT], RERUN)
    work.result["is_rms"] = True


def _code(exit_code: int | None) -> str:
    if exit_code is None:
        return "not known"
    return str(exit_code)
