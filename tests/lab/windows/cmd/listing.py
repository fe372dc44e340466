# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dir."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import paths
from ..errors import Win32Error
from ..filesystem import CAPACITY, Directory, File, Node
from ..process import Process
from .arguments import Arguments, parse_arguments
from .common import Builtin

if TYPE_CHECKING:
    from .interpreter import Interpreter

ATTRIBUTES: dict[str, Callable[[Node], bool]] = {
    "d": lambda node: isinstance(node, Directory),
    "h": lambda node: node.hidden,
    "s": lambda node: node.system,
    "r": lambda node: node.readonly,
    "a": lambda node: isinstance(node, File) and node.archive,
}
ORDERS: dict[str, Callable[[Node], Any]] = {
    "n": lambda node: node.name.upper(),
    "s": lambda node: len(node.data) if isinstance(node, File) else 0,
    "d": lambda node: node.modified,
    "e": lambda node: node.name.rpartition(".")[2].upper() if "." in node.name else "",
    "g": lambda node: not isinstance(node, Directory),
}


@dataclass
class _Listing:
    io: Process
    options: Arguments
    files: int = 0
    size: int = 0
    folders: int = 0

    @property
    def bare(self) -> bool:
        return self.options.has("b")

    def switch(self, letter: str) -> str | None:
        """The rest of a switch such as ``/a-d`` or ``/o:n``; None when it was not given."""
        found = [item[1:].lstrip(":") for item in self.options.switches if item[:1] == letter]
        return found[-1] if found else None

    def wanted(self, node: Node) -> bool:
        """``/a``: without it nothing hidden or of the system."""
        letters = self.switch("a")
        if letters is None:
            return not (node.hidden or node.system)
        expected = True
        for letter in letters:
            if letter == "-":
                expected = False
            else:
                if letter in ATTRIBUTES and ATTRIBUTES[letter](node) is not expected:
                    return False
                expected = True
        return True

    def ordered(self, nodes: list[Node]) -> list[Node]:
        """``/o``: by the last key first, as sorting is stable."""
        letters = self.switch("o")
        if letters is None:
            return nodes
        keys: list[tuple[str, bool]] = []
        reverse = False
        for letter in letters or "gn":
            if letter == "-":
                reverse = True
            elif letter in ORDERS:
                keys.append((letter, reverse))
                reverse = False
        for letter, backwards in reversed(keys):
            nodes = sorted(nodes, key=ORDERS[letter], reverse=backwards)
        return nodes


def _dir(shell: Interpreter, io: Process, arguments: str) -> int:
    """``dir [/b] [/s] [/a...] [/o...] [/x] [paths]``."""
    options = parse_arguments(arguments)
    code = 0
    for word in options.words or [shell.process.cwd]:
        code = _list(_Listing(io, options), word) or code
    return code


def _list(listing: _Listing, word: str) -> int:
    io = listing.io
    full = io.files.absolute(word)
    folder, pattern = (full, "*") if io.files.is_dir(full) else (paths.parent(full), full.rpartition("\\")[2])
    header = [] if listing.bare else _header(io, full)
    whole_folder = pattern == "*" and not listing.bare and len(folder) > len("C:\\")
    try:
        pages = [page for page in _pages(listing, folder, pattern) if page[1] or (whole_folder and page[0] == folder)]
    except Win32Error as error:
        io.say(*header)
        io.complain(error.text)
        return 1
    if not pages:
        io.say(*header, *([] if listing.bare else [f" Directory of {folder}", ""]))
        io.complain("File Not Found")
        return 1
    lines = header
    for place, nodes in pages:
        lines += _bare(listing, place, nodes) if listing.bare else _page(listing, place, nodes, pattern)
    io.say(*lines, *([] if listing.bare else _totals(listing)))
    return 0


def _pages(listing: _Listing, folder: str, pattern: str) -> Iterator[tuple[str, list[Node]]]:
    everything = listing.io.files.entries(folder)
    fitting = [node for node in everything if paths.matches(pattern, node.name, node.short) and listing.wanted(node)]
    yield folder, listing.ordered(fitting)
    if listing.options.has("s"):
        for node in everything:
            if isinstance(node, Directory):
                yield from _pages(listing, paths.join(folder, node.name), pattern)


def _bare(listing: _Listing, place: str, nodes: list[Node]) -> list[str]:
    return [paths.join(place, node.name) if listing.options.has("s") else node.name for node in nodes]


def _header(io: Process, full: str) -> list[str]:
    if paths.is_unc(full):
        share = paths.root_of(full).rstrip("\\")
        return [f" Volume in drive {share} has no label.", " Volume Serial Number is 5C1D-07A2", ""]
    volume = io.host.fs.volumes.get(full[:1].upper())
    if volume is None:
        return []
    has = f"is {volume.label}" if volume.label else "has no label."
    return [f" Volume in drive {volume.letter} {has}", f" Volume Serial Number is {volume.serial}", ""]


def _page(listing: _Listing, place: str, nodes: list[Node], pattern: str) -> list[str]:
    lines = [f" Directory of {place}", ""]
    dots: list[Node] = []
    if len(place.rstrip("\\")) > 2 and paths.matches(pattern, "."):
        here = listing.io.files.node(place)
        dots = [Directory(".", modified=here.modified), Directory("..", modified=here.modified)]
    dots = [node for node in dots if listing.wanted(node)]
    for node in [*dots, *nodes]:
        lines.append(_line(listing, node))
    count = sum(isinstance(node, File) for node in nodes)
    size = sum(len(node.data) for node in nodes if isinstance(node, File))
    listing.files, listing.size = listing.files + count, listing.size + size
    listing.folders += len(dots) + len(nodes) - count
    return [*lines, f"{count:>16} File(s) {size:>14,} bytes", *([""] if listing.options.has("s") else [])]


def _line(listing: _Listing, node: Node) -> str:
    stamp = time.strftime("%m/%d/%Y  %I:%M %p", time.localtime(node.modified))
    kind = f"{len(node.data):>18,} " if isinstance(node, File) else "    <DIR>          "
    short = f"{node.short:<12} " if listing.options.has("x") else ""
    return stamp + kind + short + node.name


def _totals(listing: _Listing) -> list[str]:
    free = CAPACITY - listing.io.host.fs.used("C")
    total = ["     Total Files Listed:", f"{listing.files:>16} File(s) {listing.size:>14,} bytes"]
    return [*(total if listing.options.has("s") else []), f"{listing.folders:>16} Dir(s) {free:>15,} bytes free"]


COMMANDS: dict[str, Builtin] = {"dir": Builtin(_dir)}
