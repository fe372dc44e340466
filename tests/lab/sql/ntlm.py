# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NTLM logins: FreeTDS answers a challenge when its user is ``DOMAIN\\user``.

pysqlbridge leaves this to Windows' SSPI, so the messages and the arithmetic are pyspnego's; its own acceptor takes
passwords only from a file that an environment variable names, for the whole process.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable

from spnego._ntlm_raw.crypto import compute_response_v2, ntowfv1, ntowfv2
from spnego._ntlm_raw.messages import (
    Authenticate,
    AvId,
    Challenge,
    FileTime,
    Negotiate,
    NegotiateFlags,
    NTClientChallengeV2,
    TargetInfo,
)

from .sessions import Login

_ALWAYS = NegotiateFlags.request_target | NegotiateFlags.ntlm | NegotiateFlags.always_sign | NegotiateFlags.target_info


class NtlmAcceptor:
    """One login's exchange: a challenge, then the proof."""

    def __init__(self, name: str, logins: Iterable[Login]) -> None:
        self._name = name.upper()
        self._logins = {login.name.casefold(): login for login in logins if login.is_windows}
        self._nonce = os.urandom(8)
        self.user = ""

    def challenge(self, token: bytes) -> bytes:
        """The answer to the client's first message."""
        flags = (Negotiate.unpack(token).flags | _ALWAYS | NegotiateFlags.target_type_server) & ~NegotiateFlags.lm_key
        flags &= ~(NegotiateFlags.version | NegotiateFlags.oem)
        info = TargetInfo()
        info[AvId.nb_computer_name] = self._name
        info[AvId.nb_domain_name] = self._name
        info[AvId.dns_computer_name] = self._name.lower()
        info[AvId.timestamp] = FileTime.now()
        return Challenge(flags | NegotiateFlags.unicode, self._nonce, target_name=self._name, target_info=info).pack()

    def authenticate(self, token: bytes) -> Login | None:
        """The login whose password the client has proved to know (NTLMv2 only), or None."""
        proof = Authenticate.unpack(token)
        user, domain = proof.user_name or "", proof.domain_name or ""
        self.user = f"{domain}\\{user}"
        login = self._logins.get(self.user.casefold())
        answer = proof.nt_challenge_response or b""
        if login is None or len(answer) <= 24:
            return None
        blob = NTClientChallengeV2.unpack(answer[16:])
        key = ntowfv2(user, ntowfv1(login.password), domain)
        expected, _lm, _session = compute_response_v2(
            key, self._nonce, blob.challenge_from_client, blob.time_stamp, blob.av_pairs
        )
        return login if hmac.compare_digest(bytes(expected), bytes(answer)) else None
