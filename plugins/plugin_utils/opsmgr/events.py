# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the event log says why one of the three services does not do its work.

Private to opsmgr.recovery. No event is proof alone, so they are only named to people.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
)

# By the key name of the service: source and numbers of its events. From Microsoft's support articles 2002620 (26322),
# 946428 (7022) and on missing performance counters (26380), the management packs of 2007 R2 (26371) and of later
# versions (29112), and field reports of clustered RMSs (29104).
EVENTS = {
    SDK_SERVICE: "OpsMgr SDK Service 26322: the database; 26380: an exception; 26371: only an SPN",
    CONFIG_SERVICE: "OpsMgr Config Service 29112: it did not come up; 29104: the root health service does not run",
    HEALTH_SERVICE: "HealthService 7022: Run As accounts that could not be processed",
}


def events_of(services: t.Iterable[str]) -> str:
    """The events that may tell why these services do not do their work, in parentheses; empty for other services."""
    chosen = {service.lower() for service in services}
    told = [text for service, text in EVENTS.items() if service.lower() in chosen]
    return f" ({'. '.join(told)})" if told else ""
