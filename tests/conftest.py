"""Makes this checkout importable as ansible_collections.opsmgr.recovery, by ansible's own loader, whoever starts
pytest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browser import Browser

ROOT = Path(__file__).resolve().parents[1]
COLLECTIONS = ROOT / ".build" / "collections"


def _link_collection() -> None:
    link = COLLECTIONS / "ansible_collections" / "opsmgr" / "recovery"
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(os.path.relpath(ROOT, link.parent), target_is_directory=True)


_link_collection()
# Before ansible is imported: it reads its configuration then, and must not read the user's.
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

# Before anything uses pyodbc, which asks only then. Tests of the lab look at who is connected, and a pooled connection
# stays after close().
with contextlib.suppress(ImportError):
    import pyodbc

    pyodbc.pooling = False

from ansible.plugins.loader import init_plugin_loader  # noqa: E402

init_plugin_loader([str(COLLECTIONS)])


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium, started by the first test that looks at a page."""
    from browser import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running
