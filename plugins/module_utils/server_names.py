# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that one server goes by in a configuration file.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Windows allows more in a computer's name than DNS does: the underscore, and letters of all alphabets [ms].
_LABEL = re.compile(r"\w(?:[\w-]*\w)?\Z")
_LABEL_LIMIT_BYTES = 63
_NAME_LIMIT_BYTES = 253
# A computer's NetBIOS name is the first label of its DNS name, cut off here [ms].
_NETBIOS_LIMIT = 15


def name_problem(name: str, *, qualified: bool) -> str | None:
    """Say why C(name) cannot be a server's DNS name, with a domain if C(qualified), or None when it can."""
    labels = name.split(".")
    if len(name.encode("utf-8", "replace")) > _NAME_LIMIT_BYTES or any(
        len(label.encode("utf-8", "replace")) > _LABEL_LIMIT_BYTES for label in labels
    ):
        return f"a part may have {_LABEL_LIMIT_BYTES} bytes, the whole {_NAME_LIMIT_BYTES}"
    if not all(_LABEL.match(label) for label in labels):
        return "each part between dots has letters, digits, underscores and, inside, hyphens"
    if labels[-1].isdigit():
        return "it looks like an address or a number"
    if qualified and len(labels) == 1:
        return "it has no domain"
    return None


def name_key(name: str) -> str:
    """The NetBIOS part of a name in lower case: the same for all ways to write the name of one server."""
    return short_name(name).lower()


def short_name(name: str) -> str:
    """The name without its domain. It is not cut to the 15 characters of NetBIOS: DNS finds the whole label everywhere."""
    return name.partition(".")[0]


def former_names(known: Iterable[str], own: Iterable[str]) -> list[str]:
    """Those of C(known) under which a file may know a server other than the one that C(own) names, sorted.

    An address, or an alias that is no name, is in no file.
    """
    keys = {name_key(name) for name in own if name}
    others = {name for name in known if name_key(name) not in keys}
    return sorted(name for name in others if not name_problem(name, qualified=False))


def known_as(names: Iterable[str], *, domain: str = "") -> frozenset[str]:
    """All the names, lower case, of the one server that C(names) name: as given, short, as NetBIOS name.

    When none of them has a domain, also each with C(domain).
    """
    given = [name.lower() for name in names]
    found = {*given, *(short_name(name) for name in given)}
    if domain and not any("." in name for name in given):
        found.update(f"{name}.{domain.lower()}" for name in given)
    return frozenset(found | {short_name(name)[:_NETBIOS_LIMIT] for name in given})


def is_one_of(text: str, names: frozenset[str]) -> bool:
    """Whether C(text) is one of the names that C(known_as()) returned; case does not matter, nor a dot after the
    domain.
    """
    lower = text.lower()
    return lower in names or ("." in lower[:-1] and lower.endswith(".") and lower[:-1] in names)


def in_capitals(name: str) -> str:
    """The name in capitals, or as it is when capitals would make another name of it (C(ß))."""
    if name.upper().lower() != name.lower():
        return name
    return name.upper()
