# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a conversation with a tool that asks: the twin of CONVERSATION_SPEC in plugin_utils/actions/windows.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  input_kind:
    description:
      - What a program on this server gets as its standard input through WinRM.
      - With V(auto), a harmless question, which cmd.exe itself asks, finds it out at the cost of one message. If that gives no answer, V(console) is assumed.
      - With V(console) or V(pipe), nothing is asked and this is taken for granted.
    type: str
    choices: [auto, console, pipe]
    default: auto
  line_end:
    description:
      - What ends a reply.
      - With V(auto), V(cr) to a console and V(crlf) to a pipe.
      - Set it only for a server where V(auto) fails. A wrong one makes the tool wait until O(conversation_timeout), or complain of passwords that do not match.
    type: str
    choices: [auto, cr, crlf, lf]
    default: auto
  conversation_timeout:
    description:
      - Seconds for the whole conversation, from the tool's start to its end. Then it fails, and the message shows what the tool wrote.
      - A tool that has its answer V(Y) is never ended.
    type: float
    default: 120.0
  answer_ahead_after:
    description:
      - Seconds of silence after which a password is sent without its question, because a tool that buffers its output shows its questions only when it ends.
      - A reply that decides something, such as V(Y), is only ever sent to its own question.
    type: float
    default: 4.0
notes:
  - 'How a reply must end depends on what the tool reads from. A console takes CR as Enter, and an LF behind it as a second Enter, which answers the next
    question with nothing. A pipe takes CR LF, and waits for ever for the end of a line that has only CR.'
  - So replies end in CR on a console and in CR LF on a pipe.
  - 'Which it is, is found out with a harmless conversation: V(set /p), answered with CR, shows whether CR was Enter.'
  - A tool that reads single keys cannot be answered through a pipe at all. The message then says so; run the tool on the server's console.
  - The transcript in the result and in messages has every secret replaced by V(********).
"""
