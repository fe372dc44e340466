# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables of a role are which options of a module: pure decisions.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t


def variable_of_each_option(terms: t.Iterable[t.Any], role: str) -> dict[str, str]:
    """The variable that each option is taken from.

    :param terms: names of variables, each of which begins with the role's name and goes on with the option's; mappings of
        options to variables where the names differ; lists of both
    :raises ValueError: a variable has not the role's name, so that nobody knows the option
    """
    found: dict[str, str] = {}
    for term in terms:
        if isinstance(term, t.Mapping):
            found.update({str(option): str(variable) for option, variable in term.items()})
        elif isinstance(term, str):
            option = term.removeprefix(f"{role}_")
            if option == term or not option:
                raise ValueError(f"{term} is not a variable of the role {role}: say which option it is")
            found[option] = term
        else:
            found.update(variable_of_each_option(term, role))
    return found


def given_options(
    values: t.Mapping[str, t.Any], none_if_zero: t.Collection[str] = (), even_if_empty: t.Collection[str] = ()
) -> dict[str, t.Any]:
    """The options that a user gives: an empty text, list or mapping stands for an option that is left out, but for those
    in `even_if_empty`, and so does the number 0 of those in `none_if_zero`. False is a value.
    """
    empty = {option for option, value in values.items() if _is_empty(value)} - set(even_if_empty)
    zero = {option for option in none_if_zero if _is_zero(values.get(option))}
    return {option: value for option, value in values.items() if option not in empty | zero}


def _is_empty(value: t.Any) -> bool:
    return value is None or (isinstance(value, t.Sized) and len(value) == 0)


def _is_zero(value: t.Any) -> bool:
    # Before ansible-core 2.19, a template can make a text of a number.
    try:
        return float(value) == 0
    except (TypeError, ValueError):
        return False
