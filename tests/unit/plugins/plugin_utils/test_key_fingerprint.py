# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key a server has, and what the commands that tell leave behind."""

from __future__ import annotations

import re

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.key_fingerprint import (
    DIRECTORY,
    OTHER,
    SAME,
    compared_command,
    fingerprint_command,
    parse_comparison,
    remove_leftovers_command,
)

KEY = r'"HKLM\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\MOMBins"'


def test_the_key_is_exported_only_into_the_directory_that_is_protected_by_then_and_goes_at_last() -> None:
    command = fingerprint_command(KEY, "Value1")
    protected, hashed, exported, removed = (
        command.index(part) for part in ("icacls", "-hashfile", "reg export", "del /f /q")
    )
    assert protected < hashed < exported < removed
    assert set(re.findall(r'>?"([^"]*key\.[^"]*)"', command)) == {
        rf"{DIRECTORY}\key.{ending}" for ending in ("s", "r", "b", "*")
    }
    assert "%TEMP%" not in command
    # Every step only after the one before it succeeded, but for the last two, which leave nothing behind.
    *steps, files, directory = re.sub(r"&&", "", command).split("& ")
    assert (len(steps), files.partition(" ")[0]) == (1, "del")
    assert directory.startswith(f'rd "{DIRECTORY}"'), "without /s: a directory that holds something else stays"


def test_rights_are_given_by_number_because_names_are_translated() -> None:
    command = fingerprint_command(KEY, "Value1")
    assert '"*S-1-5-32-544:(OI)(CI)F" "*S-1-5-18:(OI)(CI)F"' in command
    assert "/inheritance:r" in command


def test_leftovers_of_every_version_and_user_are_removed() -> None:
    command = remove_leftovers_command()
    for name in (
        r"%SystemRoot%\opsmgr.recovery\key.*",
        r"%TEMP%\opsmgr-recovery-*.fp*",
        r"%TEMP%\opsmgr-recovery-*.key*",
        r"%USERPROFILE%\..\*",
    ):
        assert name in command


def test_what_is_compared_stays_in_the_variables_of_a_loop() -> None:
    command = compared_command(KEY, "Value1", "tool Restore x")
    assert command.startswith('for /f "tokens=2*" %a in (')
    assert "set opsmgr_key=same" in command
    assert re.findall(r"set \w+=(\w+)", command) == [SAME, OTHER]


@pytest.mark.parametrize(
    ("text", "found"),
    [("[key same]\r\n", SAME), ("x\r\n[key other]\r\n", OTHER), ("[key %opsmgr_key%]", None), ("", None)],
)
def test_what_the_comparison_says(text: str, found: str | None) -> None:
    assert parse_comparison(text) == found
