# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows code pages and the codecs that stand for them."""

from __future__ import annotations

import codecs

CODECS = {65001: "utf-8", 1200: "utf-16-le", 20127: "ascii", 28591: "latin-1"}


def codec(page: int | str) -> str:
    """The Python codec of a code page number; a codec's own name stays as it is."""
    if isinstance(page, str):
        return codecs.lookup(page).name
    return codecs.lookup(CODECS.get(page, f"cp{page}")).name


def is_installed(page: int) -> bool:
    """Whether the simulated host knows this code page."""
    try:
        codec(page)
    except LookupError:
        return False
    return True
