# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import (
    COLLECTION_VERSION,
    ServerVersion,
    VersionError,
    key_backup_problem,
    key_backup_warning,
    newest,
    require_supported,
    unsupported,
)

RTM, SP1, R2 = "6.0.5000.0", "6.0.6278.0", "6.1.7221.0"


@pytest.mark.parametrize(
    ("text", "product", "is_sp1_or_later"),
    [
        (RTM, "2007 RTM", False),
        ("6.0.5000.36", "2007 RTM", False),
        ("6.0.6246.0", "2007 RTM", False),
        (SP1, "2007 SP1", True),
        ("6.0.6278.100", "2007 SP1", True),
        (R2, "2007 R2", True),
        ("6.1.7221.110", "2007 R2", True),
        ("6.0.4900.0", "unknown", False),
        ("6.1.7000.0", "unknown", True),
        ("6.2.0.0", "unknown", True),
        ("7.0.8560.0", "2012", True),
        ("7.0.9538.0", "2012", True),
        ("7.1.10226.1387", "2012 R2", True),
        ("7.2.12348.0", "2016", True),
        ("7.3.13142.0", "1801", True),
        ("7.3.13261.0", "1807", True),
        ("10.19.10050.0", "2019", True),
        ("10.22.10118.0", "2022", True),
        ("10.25.10132.0", "2025", True),
        ("8.0.10918.0", "unknown", True),
        ("10.26.1.0", "unknown", True),
    ],
)
def test_product(text: str, product: str, is_sp1_or_later: bool) -> None:
    version = ServerVersion.parse(text)
    assert (str(version), version.product, version.is_sp1_or_later) == (text, product, is_sp1_or_later)


@pytest.mark.parametrize(
    ("text", "supported"),
    [
        ("6.0.4900.0", True),
        (RTM, True),
        (SP1, True),
        (R2, True),
        ("6.1.7221.110", True),
        ("6.2.0.0", True),
        ("6.9.99999.9", True),
        ("7.0.0.0", False),
        ("7.0.8560.0", False),
        ("7.1.10226.0", False),
        ("7.2.11719.0", False),
        ("7.3.13142.0", False),
        ("8.0.10918.0", False),
        ("10.19.10050.0", False),
        ("10.22.10118.0", False),
        ("10.25.10132.0", False),
        ("11.0.0.0", False),
    ],
)
def test_from_2012_on_nothing_is_changed(text: str, supported: bool) -> None:
    version = ServerVersion.parse(text)
    assert version.is_supported is supported
    found = unsupported(version)
    assert (found is None) is supported
    assert found is None or text in found
    with nullcontext() if supported else pytest.raises(OpsmgrError, match=text):
        require_supported("do it", version)


def test_a_version_that_is_not_known_is_no_refusal() -> None:
    assert unsupported(None) is None
    require_supported("do it", None)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], None),
        ([None, "", "six"], None),
        ([R2, None, SP1], R2),
        ([R2, "10.22.10118.0", "7.0.8560.0"], "10.22.10118.0"),
    ],
)
def test_the_newest_of_several(texts: list[str | None], expected: str | None) -> None:
    found = newest(texts)
    assert (found and str(found)) == expected


def test_three_numbers_and_white_space_are_accepted() -> None:
    assert ServerVersion.parse(" 6.0.6278\r\n") == ServerVersion.parse(SP1)


def test_versions_compare_by_number() -> None:
    assert ServerVersion.parse("6.0.10000.0") > ServerVersion.parse("6.0.6278.0")


@pytest.mark.parametrize(
    "text", ["", "6", "6.0", "6.0.x.0", "6.0.6278.0.1", "-6.0.1.0", "6..1.0", "6.0.6278.0beta", "٦.0.1.0", None, 6]
)
def test_what_is_not_a_version_is_named(text: str) -> None:
    with pytest.raises(VersionError) as caught:
        ServerVersion.parse(text)
    assert repr(text) in str(caught.value)
    assert caught.value.text == text


@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_the_error_survives_copying(clone: object) -> None:
    assert str(clone(VersionError("six"))) == str(VersionError("six"))  # type: ignore[operator]


FITS = [
    # backup, server, refused, warned
    (RTM, RTM, False, False),
    (SP1, SP1, False, False),
    (R2, R2, False, False),
    (RTM, SP1, True, False),
    (RTM, R2, True, False),
    (SP1, RTM, True, False),
    (R2, RTM, True, False),
    (SP1, R2, False, True),
    (R2, SP1, False, True),
    (SP1, "6.0.6278.100", False, True),
    (R2, "7.0.8560.0", True, False),
    (R2, "10.22.10118.0", True, False),
    ("10.22.10118.0", "10.22.10118.0", True, False),
    ("10.22.10118.0", R2, True, False),
]


@pytest.mark.parametrize(("backup", "server", "refused", "warned"), FITS)
def test_which_backup_fits_which_server(backup: str, server: str, refused: bool, warned: bool) -> None:
    versions = ServerVersion.parse(backup), ServerVersion.parse(server)
    assert bool(key_backup_problem(*versions)) is refused
    assert bool(key_backup_warning(*versions)) is warned


def test_the_texts_name_both_products() -> None:
    problem = key_backup_problem(ServerVersion.parse(RTM), ServerVersion.parse(SP1))
    assert (
        problem
        == "the key backup was made on 2007 RTM (6.0.5000.0), before Service Pack 1, and does not restore on 2007 SP1 (6.0.6278.0)"
    )
    warning = key_backup_warning(ServerVersion.parse(SP1), ServerVersion.parse(R2))
    assert warning is not None
    assert "2007 SP1 (6.0.6278.0)" in warning
    assert "2007 R2 (6.1.7221.0)" in warning


def test_the_version_of_the_collection_is_that_of_galaxy_yml() -> None:
    galaxy = Path(__file__).resolve().parents[4] / "galaxy.yml"
    assert yaml.safe_load(galaxy.read_text(encoding="utf-8"))["version"] == COLLECTION_VERSION
