# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool wrote after it was given a secret is shown without it, in whichever form it is there."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.redaction import REDACTED, redact, redact_whole

SECRET = "Tr0ub4dor&3"
BEFORE, AFTER = "The tool begins.", "Error 5: access denied."


def in_utf16(text: str) -> str:
    return text.encode("utf-16-le").decode("utf-8")


FORMS = {
    "as it is": SECRET,
    "UTF-16 as Windows tools write it": in_utf16(SECRET),
    "wrapped by a line end": f"{SECRET[:5]}\r\n{SECRET[5:]}",
    "wrapped after every character": "\r\n".join(SECRET),
    "its beginning": SECRET[:6],
    "its end": SECRET[5:],
    "cut in the middle": f"{SECRET[:5]}...{SECRET[6:]}",
    "in capitals": SECRET.upper(),
    "in small letters": SECRET.lower(),
    "backwards": SECRET[::-1],
    "Base64": base64.b64encode(SECRET.encode()).decode(),
    "Base64 behind something": base64.b64encode(b"x:" + SECRET.encode()).decode(),
    "Base64 of UTF-16": base64.b64encode(SECRET.encode("utf-16-le")).decode(),
    "hexadecimal": SECRET.encode().hex(),
    "hexadecimal with blanks": SECRET.encode().hex(" "),
    "hexadecimal in capitals with colons": SECRET.encode().hex(":").upper(),
    "hexadecimal of UTF-16": SECRET.encode("utf-16-le").hex(),
    "with blanks between": " ".join(SECRET),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_of_the_secret_is_shown_and_the_rest_is(form: str) -> None:
    shown = redact(f"{BEFORE}\r\nIt was {form} it seems\r\n{AFTER}", [SECRET])
    assert (shown.startswith(BEFORE), shown.endswith(AFTER), REDACTED in shown) == (True, True, True)
    assert not any(part in shown for part in form.split() if len(part) > 3)


def test_the_secret_alone_goes_where_it_stands_whole() -> None:
    assert redact(f"Backup with {SECRET} failed.\n", [SECRET]) == f"Backup with {REDACTED} failed.\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a Tr0u b\r\nnext", f"{REDACTED}\r\nnext", id="four characters"),
        pytest.param("a Tr0 b\r\nnext", "a Tr0 b\r\nnext", id="three give nothing away"),
        pytest.param("TR0UB4DOX\r\nnext", f"{REDACTED}\r\nnext", id="the line end stays, and nothing before it"),
        pytest.param("a 547230 b\n", f"{REDACTED}\n", id="three bytes in hexadecimal"),
        pytest.param("a 54723 b\n", "a 54723 b\n", id="less is in every text"),
        pytest.param("a Tr\n0u b\nnext", f"{REDACTED}\n{REDACTED}\nnext", id="over two lines"),
        pytest.param("Enter it: Tr", f"Enter it: {REDACTED}", id="its beginning at the very end"),
        pytest.param("Enter it: T", "Enter it: T", id="one character at the very end"),
        pytest.param("Enter it: Tr\n", "Enter it: Tr\n", id="its beginning before a line end"),
        pytest.param(f"{SECRET}u b\n", f"{REDACTED}u b\n", id="what was replaced ends every part"),
    ],
)
def test_what_is_hidden_and_what_is_not(text: str, expected: str) -> None:
    assert redact(text, [SECRET]) == expected


@pytest.mark.parametrize(("secret", "expected"), [("ab", f"{REDACTED}\nfine"), ("a", "A\nfine")])
def test_a_short_secret_is_hidden_in_other_case_unless_it_is_one_character(secret: str, expected: str) -> None:
    assert redact(f"{secret.upper()}\nfine", [secret]) == expected


def test_in_our_own_words_only_whole_secrets_are_replaced() -> None:
    """Seven characters may stand in a sentence by chance, and the tools take no password of fewer than eight."""
    assert redact_whole("abcdefgh abcdefg ABCDEFGH", ["abcdefg", "abcdefgh"]) == f"{REDACTED} abcdefg ABCDEFGH"
    assert redact_whole("abcdefghi", ["abcdefgh", "abcdefghi"]) == REDACTED


def test_longer_secrets_go_first_and_no_secret_hides_nothing() -> None:
    assert redact("abcdef and abc", ["abc", "abcdef"]) == f"{REDACTED} and {REDACTED}"
    assert redact("as it is\n", []) == "as it is\n"
    assert redact("as it is\n", [""]) == "as it is\n"


@pytest.mark.parametrize(
    "text",
    ["", "\r\n\r\n", "Der Vorgang wurde erfolgreich beendet.\r\n", "Please re-enter it:", "0x80070005 -2147024891"],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text, [SECRET]) == text


@given(st.text(min_size=8, max_size=40), st.text(max_size=60), st.text(max_size=60))
def test_four_characters_of_a_secret_never_stand_in_a_line(secret: str, before: str, after: str) -> None:
    shown = redact(f"{before}\n{secret[:-1]}\n{after}", [secret])
    for start in range(len(secret) - 3):
        part = secret[start : start + 4]
        if part.isalnum():
            assert part not in shown
