# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow import folders, store
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import (
    BackupOrigin,
    Damaged,
    Entry,
    Escrow,
    EscrowError,
    Recipient,
    Seal,
    SealError,
    WrongSeal,
)

KEY = b"the key file of ODYSSEY \x00\xff" * 40
RTM, SP1, R2 = (ServerVersion.parse(text) for text in ("6.0.5000.0", "6.0.6278.0", "6.1.7221.0"))
NIGHT = datetime(2026, 1, 31, 2, 3, 4, 567, tzinfo=timezone.utc)
SHA256_OF_NOTHING = hashlib.sha256(b"").hexdigest()
STEM = "20260131T020304Z-" + hashlib.sha256(KEY).hexdigest()[:8]


class Plain:
    name, extension, can_unseal, holds_manifest = "none", "key", True, False
    recipients: tuple[Recipient, ...] = ()

    def seal(self, content: bytes) -> bytes:
        return content

    def unseal(self, sealed: bytes) -> bytes:
        return sealed


class Mirror(Plain):
    """A seal that is easy to look through: the bytes in reverse."""

    name, extension = "mirror", "rev"

    def seal(self, content: bytes) -> bytes:
        return content[::-1]

    def unseal(self, sealed: bytes) -> bytes:
        return sealed[::-1]


class Bound(Mirror):
    """The same around key file and manifest."""

    name, holds_manifest = "bound", True


class OneWay(Mirror):
    """Like a seal for certificates: whoever seals cannot open."""

    name, can_unseal = "one-way", False

    def unseal(self, sealed: bytes) -> bytes:
        raise SealError("open the seal", "no private key is at hand", "Give the key of a recovery officer")


class Liar(Mirror):
    name = "liar"

    def unseal(self, sealed: bytes) -> bytes:
        return b"something else"


def origin(**changes: Any) -> BackupOrigin:
    usual = {
        "management_group": "ODYSSEY",
        "server": "hydra.odyssey.com",
        "server_version": SP1,
        "taken_at": NIGHT,
        "inventory_host": "hydra",
    }
    return BackupOrigin(**{**usual, **changes})


@pytest.fixture
def escrow(tmp_path: Path) -> Escrow:
    return Escrow(str(tmp_path / "escrow"))


def files(escrow: Escrow) -> dict[str, bytes]:
    root = Path(escrow.directory)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def only_problem(escrow: Escrow) -> str:
    listing = escrow.entries()
    assert not listing.entries
    (problem,) = listing.problems
    assert problem.what_to_do
    return f"{problem.path}: {problem.found}"


# Storing and finding


def test_a_backup_is_a_sealed_file_and_a_manifest_for_people(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(key_fingerprint="ab12"), Mirror())
    folder = "ODYSSEY/hydra.odyssey.com/"
    assert files(escrow).keys() == {folder + STEM + ".rev", folder + STEM + ".json"}
    assert entry.path == os.path.join(escrow.directory, folder, STEM + ".rev")
    assert json.loads(Path(entry.manifest_path).read_text(encoding="ascii")) == {
        "format": 1,
        "file": STEM + ".rev",
        "management_group": "ODYSSEY",
        "server": "hydra.odyssey.com",
        "server_version": "6.0.6278.0",
        "product": "2007 SP1",
        "taken_at": "2026-01-31T02:03:04Z",
        "sha256": hashlib.sha256(KEY).hexdigest(),
        "size": len(KEY),
        "seal": "mirror",
        "sealed_sha256": hashlib.sha256(KEY[::-1]).hexdigest(),
        "key_fingerprint": "ab12",
        "collection_version": entry.collection_version,
        "recipients": [],
        "inventory_host": "hydra",
    }


@pytest.mark.parametrize("seal", [Plain(), Mirror(), Bound()])
def test_what_is_stored_is_listed_and_opens(escrow: Escrow, seal: Seal) -> None:
    entry = escrow.store(KEY, origin(), seal)
    listing = escrow.entries()
    assert (listing.entries, listing.problems) == ([entry], [])
    assert escrow.open(entry, seal) == KEY


def test_modes_do_not_depend_on_the_umask(escrow: Escrow) -> None:
    before = os.umask(0)
    try:
        escrow.store(KEY, origin(), Plain())
    finally:
        os.umask(before)
    modes = {
        stat.S_IMODE(path.stat().st_mode)
        for path in [Path(escrow.directory), *Path(escrow.directory).rglob("*")]
        if path.is_dir()
    }
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path(escrow.directory).rglob("*") if path.is_file()} == {
        0o600
    }


def test_entries_are_newest_first_and_chosen_by_group_and_server(escrow: Escrow) -> None:
    def add(hours: int, **changes: str) -> Entry:
        return escrow.store(KEY, origin(taken_at=NIGHT + timedelta(hours=hours), **changes), Plain())

    old, new, middle = add(0), add(2), add(1, server="deathsting.odyssey.com")
    other = add(3, management_group="ILIAD")
    assert escrow.entries().entries == [other, new, middle, old]
    assert escrow.entries("ODYSSEY").entries == [new, middle, old]
    assert escrow.entries("ODYSSEY", "HYDRA.odyssey.com").entries == [new, old]
    assert escrow.entries("odyssey").entries == []
    assert escrow.entries("NOWHERE").entries == []


def test_times_are_compared_in_utc(escrow: Escrow) -> None:
    tokyo = timezone(timedelta(hours=9))
    entry = escrow.store(KEY, origin(taken_at=datetime(2026, 1, 31, 11, 3, 4, tzinfo=tokyo)), Plain())
    assert os.path.basename(entry.path) == STEM + ".key"


@pytest.mark.parametrize(("server_version", "expected"), [(None, R2), (R2, R2), (SP1, R2), (RTM, RTM)])
def test_newest_is_the_newest_that_restores_there(
    escrow: Escrow, server_version: ServerVersion | None, expected: ServerVersion
) -> None:
    for hours, version in enumerate((RTM, SP1, R2)):
        escrow.store(KEY, origin(taken_at=NIGHT + timedelta(hours=hours), server_version=version), Plain())
    newest = escrow.newest("ODYSSEY", server_version=server_version)
    assert newest is not None
    assert newest.server_version == expected


def test_newest_of_nothing(escrow: Escrow) -> None:
    assert escrow.newest("ODYSSEY") is None
    escrow.store(KEY, origin(server_version=RTM), Plain())
    assert escrow.newest("ODYSSEY", server_version=SP1) is None


def test_find_by_content(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Mirror())
    assert escrow.find("ODYSSEY", hashlib.sha256(KEY).hexdigest().upper()) == entry
    assert escrow.find("ILIAD", entry.sha256) is None
    assert escrow.find("ODYSSEY", "0" * 64) is None


def test_the_same_content_in_the_same_second_replaces_nothing(escrow: Escrow) -> None:
    names = [os.path.basename(escrow.store(KEY, origin(), seal).path) for seal in (Plain(), Mirror(), Plain())]
    assert names == [STEM + ".key", STEM + "-2.rev", STEM + "-3.key"]
    assert len(escrow.entries().entries) == 3


def test_a_second_without_a_free_name_is_an_error(escrow: Escrow) -> None:
    for number in ["", *(f"-{number}" for number in range(2, 101))]:
        path = Path(escrow.directory, "ODYSSEY", "hydra.odyssey.com", STEM + number + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(EscrowError, match="no free file name"):
        escrow.store(KEY, origin(), Plain())


def test_many_writers_at_once(escrow: Escrow) -> None:
    def work(number: int) -> None:
        for seal in (Plain(), Mirror()):
            escrow.store(KEY, origin(), seal)
            escrow.store(b"%d" % number, origin(), seal)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listing = escrow.entries()
    assert (len(listing.entries), listing.problems) == (24, [])
    seals: dict[str, Seal] = {"none": Plain(), "mirror": Mirror()}
    assert sorted(escrow.open(entry, seals[entry.seal]) for entry in listing.entries) == sorted(
        [KEY] * 12 + [b"%d" % number for number in range(6)] * 2
    )


def test_an_escrow_can_be_moved(escrow: Escrow, tmp_path: Path) -> None:
    escrow.store(KEY, origin(), Mirror())
    os.rename(escrow.directory, tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    moved = Escrow(str(tmp_path / "link"))
    (entry,) = moved.entries().entries
    assert moved.open(entry, Mirror()) == KEY


def test_a_seal_that_its_maker_cannot_open(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), OneWay())
    assert escrow.entries().entries == [entry]
    with pytest.raises(WrongSeal, match="no private key is at hand"):
        escrow.open(entry, OneWay())


# Names

HOSTILE = [
    "..",
    ".",
    "../../etc",
    "a/b",
    "a\\b",
    "-rf",
    "CON",
    "nul.txt",
    "con ",
    "ä ö",
    "%41",
    "new\nline",
    "nul\x00",
    "trailing.",
    ".hidden",
    "~",
    "$HOME",
    "*",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_inside(escrow: Escrow, name: str) -> None:
    entry = escrow.store(KEY, origin(management_group=name, server=name), Plain())
    (path,) = [path for path in files(escrow) if path.endswith(".key")]
    assert path.count("/") == 2
    assert escrow.entries(name, name).entries == [entry]
    assert (entry.management_group, entry.server) == (name, name)


def test_a_name_that_is_empty_is_refused(escrow: Escrow) -> None:
    with pytest.raises(EscrowError, match="name"):
        escrow.store(KEY, origin(server=""), Plain())


@pytest.mark.parametrize("name", ["管" * 29, "管理グループ" * 20, "x" * 256, "Ä" * 50])
def test_long_names_of_any_alphabet_are_backed_up_and_found(escrow: Escrow, name: str) -> None:
    entry = escrow.store(KEY, origin(management_group=name, server=name), Plain())
    other = escrow.store(KEY, origin(management_group=name + "x", server=name), Plain())
    assert (escrow.entries(name, name).entries, escrow.newest(name)) == ([entry], entry)
    listing = escrow.entries()
    assert ({each.path for each in listing.entries}, listing.problems) == ({entry.path, other.path}, [])


def test_names_of_servers_do_not_differ_by_case(escrow: Escrow) -> None:
    for server in ("HYDRA", "Hydra"):
        escrow.store(KEY, origin(server=server), Plain())
    assert os.listdir(os.path.join(escrow.directory, "ODYSSEY")) == ["hydra"]
    assert {entry.server for entry in escrow.entries("ODYSSEY", "hydra").entries} == {"HYDRA", "Hydra"}


# Refusals and failures while storing


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"x" * (16 * 1024 * 1024 + 1), "more than 16777216")]
)
def test_what_is_no_key_file_is_refused(escrow: Escrow, content: bytes, message: str) -> None:
    with pytest.raises(EscrowError, match=message):
        escrow.store(content, origin(), Plain())
    assert not os.path.exists(escrow.directory)


def test_a_seal_that_does_not_give_back_the_content_stores_nothing(escrow: Escrow) -> None:
    with pytest.raises(EscrowError, match="read back after writing"):
        escrow.store(KEY, origin(), Liar())
    assert files(escrow) == {}


def disk_full(path: object) -> OSError:
    # As the system does it: calls with a path name it, calls with a descriptor cannot.
    return OSError(errno.ENOSPC, "No space left on device", *([path] if isinstance(path, str) else []))


def failing(
    real: Callable[..., Any], nth: int, error: Callable[[Any], BaseException] = disk_full
) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise error(args[0])
        return real(*args, **kwargs)

    return call


CRASHES = [
    *[pytest.param("fsync", nth, id=f"fsync {nth}") for nth in range(1, 7)],
    *[pytest.param("link", nth, id=f"link {nth}") for nth in (1, 2)],
    *[pytest.param("open", nth, id=f"open {nth}") for nth in range(1, 9)],
    *[pytest.param("fchmod", nth, id=f"fchmod {nth}") for nth in (1, 2)],
]


@pytest.mark.parametrize(("function", "nth"), CRASHES)
def test_a_failure_anywhere_leaves_nothing_new_and_the_old_untouched(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch, function: str, nth: int
) -> None:
    escrow.store(KEY, origin(management_group="ILIAD"), Mirror())
    before = files(escrow)
    with monkeypatch.context() as patch:
        patch.setattr(os, function, failing(getattr(os, function), nth))
        with pytest.raises(EscrowError, match="No space left on device") as caught:
            escrow.store(KEY, origin(), Mirror())
    assert "Free space" in caught.value.what_to_do
    assert escrow.directory in str(caught.value)
    assert files(escrow) == before
    escrow.store(KEY, origin(), Mirror())
    assert (len(escrow.entries().entries), escrow.entries().problems) == (2, [])


@pytest.mark.parametrize("fsync", [None, 4])
@pytest.mark.parametrize("unlink", [{1}, {2}, {3}, {1, 2}, {2, 3}, {2, 3, 4}, {1, 2, 3, 4, 5, 6}])
def test_what_cannot_be_removed_again_never_leaves_a_manifest_without_its_file(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch, fsync: int | None, unlink: set[int]
) -> None:
    """A sealed file that stays alone is a problem that is listed. A manifest that stays alone would be a lost backup."""
    calls = 0
    real = os.unlink

    def refuse(path: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in unlink:
            raise OSError(errno.EACCES, "Permission denied")
        real(path, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        if fsync:
            patch.setattr(os, "fsync", failing(os.fsync, fsync + 3))
        try:
            stored = [escrow.store(KEY, origin(), Mirror())]
        except EscrowError:
            stored = []
    names = {path.rpartition(".")[0]: path for path in files(escrow) if path.endswith(".json")}
    assert all(stem + ".rev" in files(escrow) for stem in names)
    entries = escrow.entries().entries
    assert entries[: len(stored)] == stored
    assert all(escrow.open(entry, Mirror()) == KEY for entry in entries)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_interrupt_from_the_keyboard_cleans_up_too(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    escrow.store(KEY, origin(), Mirror())
    before = files(escrow)
    with monkeypatch.context() as patch:
        patch.setattr(folders.Folder, "read", failing(folders.Folder.read, nth, lambda dummy: KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            escrow.store(KEY, origin(), Mirror())
    assert files(escrow) == before


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_write_that_comes_back_different_is_not_called_stored(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    real, calls = folders.Folder.read, 0

    def read(folder: folders.Folder, name: str, *, limit_bytes: int) -> bytes:
        nonlocal calls
        calls += 1
        content = real(folder, name, limit_bytes=limit_bytes)
        return content[:-1] if calls == nth else content

    monkeypatch.setattr(folders.Folder, "read", read)
    with pytest.raises(EscrowError, match=r"read back after writing|reads back differently") as caught:
        escrow.store(KEY, origin(), Mirror())
    assert caught.value.step == "store the key backup in the escrow"
    assert files(escrow) == {}


def test_a_file_system_without_hard_links(escrow: Escrow, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert [os.path.basename(escrow.store(KEY, origin(), Plain()).path) for dummy in range(2)] == [
        STEM + ".key",
        STEM + "-2.key",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing(os.rename, 2))
        with pytest.raises(EscrowError):
            escrow.store(KEY, origin(), Plain())
    assert (len(escrow.entries().entries), escrow.entries().problems, len(files(escrow))) == (2, [], 4)


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", failing(os.link, 1, lambda dummy: OSError(errno.ENOTSUP, "Not supported")))
    (tmp_path / "backup.key").write_bytes(b"old")
    with folders.Folder.open(str(tmp_path)) as folder, pytest.raises(FileExistsError):
        folder.add("backup.key", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"backup.key": b"old"}


def test_a_file_system_that_cannot_flush_directories(escrow: Escrow, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    escrow.store(KEY, origin(), Plain())
    assert len(escrow.entries().entries) == 1


def test_the_disk_is_told_before_the_name_is_given(escrow: Escrow, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("fsync", "link"):
        real = getattr(os, name)

        def noted(*args: Any, _name: str = name, _real: Callable[..., Any] = real, **kwargs: Any) -> Any:
            kind = "link" if _name == "link" else ("folder" if stat.S_ISDIR(os.fstat(args[0]).st_mode) else "file")
            order.append(kind)
            return _real(*args, **kwargs)

        monkeypatch.setattr(os, name, noted)
    escrow.store(KEY, origin(), Plain())
    assert order[-6:] == ["file", "link", "folder", "file", "link", "folder"]


# What other people did to the escrow


def test_a_symbolic_link_in_the_way_is_refused(escrow: Escrow, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    Path(escrow.directory).mkdir()
    Path(escrow.directory, "ODYSSEY").symlink_to(tmp_path / "trap")
    with pytest.raises(EscrowError, match="is a symbolic link") as caught:
        escrow.store(KEY, origin(), Plain())
    assert "remove it" in caught.value.what_to_do
    assert list((tmp_path / "trap").iterdir()) == []
    assert "ODYSSEY: is a symbolic link" in only_problem(escrow)


def test_a_link_under_a_name_to_be_written_is_not_followed(escrow: Escrow, tmp_path: Path) -> None:
    target = tmp_path / "target"
    folder = Path(escrow.directory, "ODYSSEY", "hydra.odyssey.com")
    folder.mkdir(parents=True)
    (folder / (STEM + ".key")).symlink_to(target)
    assert escrow.store(KEY, origin(), Plain()).path.endswith("-2.key")
    assert not target.exists()


@pytest.mark.parametrize("which", ["path", "manifest_path"])
def test_a_file_replaced_by_a_link_is_not_read(escrow: Escrow, tmp_path: Path, which: str) -> None:
    entry = escrow.store(KEY, origin(), Plain())
    os.rename(getattr(entry, which), tmp_path / "moved")
    os.symlink(tmp_path / "moved", getattr(entry, which))
    assert getattr(entry, which) in only_problem(escrow)
    if which == "path":
        with pytest.raises(EscrowError, match="is a symbolic link"):
            escrow.open(entry, Plain())


def test_a_pipe_in_the_way_does_not_stop_the_listing(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Plain())
    os.remove(entry.manifest_path)
    os.mkfifo(entry.manifest_path)
    assert "not an ordinary file" in only_problem(escrow)


def test_a_file_where_a_directory_belongs(escrow: Escrow) -> None:
    Path(escrow.directory).mkdir()
    Path(escrow.directory, "ODYSSEY").touch()
    with pytest.raises(EscrowError, match="ODYSSEY: Not a directory"):
        escrow.store(KEY, origin(), Plain())
    assert escrow.entries().entries == []


def edited(**changes: Any) -> Callable[[Entry], None]:
    def edit(entry: Entry) -> None:
        path = Path(entry.manifest_path)
        fields = {**json.loads(path.read_text(encoding="utf-8")), **changes}
        path.write_text(
            json.dumps({name: value for name, value in fields.items() if value != "GONE"}), encoding="utf-8"
        )

    return edit


def written(content: bytes) -> Callable[[Entry], None]:
    def write(entry: Entry) -> None:
        Path(entry.manifest_path).write_bytes(content)

    return write


PROBLEMS = [
    pytest.param(lambda entry: os.remove(entry.manifest_path), "without a manifest", id="cut off before the manifest"),
    pytest.param(lambda entry: os.remove(entry.path), "is missing", id="no sealed file"),
    pytest.param(written(b""), "is not JSON", id="empty manifest"),
    pytest.param(written(b"\xff\xfe{}"), "is not JSON", id="not UTF-8"),
    pytest.param(written(b"[" * 60000), "is not JSON", id="nested without end"),
    pytest.param(written(b"[]"), "not a JSON object", id="a list"),
    pytest.param(written(b" " * 70000), "larger than 65536 bytes", id="huge manifest"),
    pytest.param(edited(format=2), "has format 2", id="newer format"),
    pytest.param(edited(size="GONE"), "has no size", id="field missing"),
    pytest.param(edited(size=True), "size in the manifest is not", id="wrong type"),
    pytest.param(edited(size="960"), "size in the manifest is not", id="text for number"),
    pytest.param(edited(server=None), "server in the manifest is not", id="null"),
    pytest.param(edited(server_version="six"), "not a version", id="bad version"),
    pytest.param(edited(taken_at="yesterday"), "not a time", id="bad time"),
    pytest.param(edited(sha256="xyz"), "no SHA-256", id="bad hash"),
    pytest.param(edited(sha256="0" * 64), "is not named so", id="manifest of another backup"),
    pytest.param(edited(taken_at="2026-02-01T02:03:04Z"), "is not named so", id="made younger"),
    pytest.param(edited(file="../../../etc/passwd"), "names a file that is not its own", id="file elsewhere"),
    pytest.param(edited(file=STEM + ".json"), "names a file that is not its own", id="file is the manifest"),
    pytest.param(edited(file=STEM + ".p7s"), "names a file that is not its own", id="file is the signature"),
    pytest.param(edited(management_group="ILIAD"), "in the directory of another", id="other group"),
    pytest.param(edited(server="deathsting"), "in the directory of another", id="other server"),
    pytest.param(edited(recipients=["officer"]), "not subjects and certificates", id="recipient without certificate"),
    pytest.param(
        edited(recipients=[{"subject": "CN=a", "sha256": SHA256_OF_NOTHING, "certificate": "*"}]),
        "not subjects and certificates",
        id="certificate is not Base64",
    ),
    pytest.param(
        edited(recipients=[{"subject": 1, "sha256": SHA256_OF_NOTHING, "certificate": ""}]),
        "of a recipient",
        id="subject is a number",
    ),
    pytest.param(
        edited(recipients=[{"subject": "CN=a", "sha256": "0" * 64, "certificate": ""}]),
        "of a recipient",
        id="other certificate",
    ),
]


@pytest.mark.parametrize(("deed", "message"), PROBLEMS)
def test_what_cannot_be_used_is_a_problem_and_no_entry(
    escrow: Escrow, deed: Callable[[Entry], None], message: str
) -> None:
    deed(escrow.store(KEY, origin(), Plain()))
    assert message in only_problem(escrow)
    assert escrow.newest("ODYSSEY") is None


def test_fields_of_later_versions_are_ignored(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Plain())
    edited(weather="rain")(entry)
    assert escrow.entries().entries == [entry]


def test_temporary_files_of_a_killed_writer_are_reported(escrow: Escrow) -> None:
    folder = Path(escrow.directory, "ODYSSEY", "hydra.odyssey.com")
    folder.mkdir(parents=True)
    (folder / ".unfinished-0011").write_bytes(b"half")
    assert "cut off" in only_problem(escrow)


def test_what_is_not_ours_is_left_alone(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Plain())
    Path(escrow.directory, "lost+found").mkdir(mode=0)
    Path(escrow.directory, "README").touch()
    Path(escrow.directory, "ODYSSEY", "notes.txt").touch()
    Path(entry.path).with_name("notes.txt").touch()
    listing = escrow.entries()
    assert (listing.entries, listing.problems) == ([entry], [])


# Opening


def flip(path: str) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(bytes(content))


@pytest.mark.parametrize(
    "deed",
    [flip, lambda path: os.truncate(path, 10), lambda path: os.truncate(path, 0)],
    ids=["flipped bit", "cut", "empty"],
)
def test_damage_is_noticed(escrow: Escrow, deed: Callable[[str], None]) -> None:
    entry = escrow.store(KEY, origin(), Mirror())
    deed(entry.path)
    with pytest.raises(Damaged, match="another SHA-256") as caught:
        escrow.open(entry, Mirror())
    assert "older backup" in caught.value.what_to_do


def test_a_manifest_that_hides_the_damage_is_noticed(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Mirror())
    flip(entry.path)
    edited(sealed_sha256=hashlib.sha256(Path(entry.path).read_bytes()).hexdigest())(entry)
    with pytest.raises(Damaged, match="opened key file"):
        escrow.open(escrow.entries().entries[0], Mirror())


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"server_version": "6.1.7221.0", "product": "2007 R2"}, "server_version, product"),
        ({"key_fingerprint": "cd34"}, "key_fingerprint"),
        ({"server": "HYDRA.odyssey.com"}, "server"),
        ({"collection_version": "0"}, "collection_version"),
    ],
)
def test_an_edited_manifest_is_noticed_by_who_opens(escrow: Escrow, changes: dict[str, str], names: str) -> None:
    edited(**changes)(escrow.store(KEY, origin(key_fingerprint="ab12"), Bound()))
    with pytest.raises(Damaged, match="not the one that was sealed with the key: it differs in " + names + r"\."):
        escrow.open(escrow.entries().entries[0], Bound())


def test_a_manifest_that_was_swapped_with_another_one_is_noticed(escrow: Escrow) -> None:
    """As well as can be: the key of an old backup comes under the name of the new one, and every plain hash is made to
    fit.
    """
    old, new = (
        escrow.store(KEY, origin(server_version=RTM), Bound()),
        escrow.store(KEY, origin(taken_at=NIGHT + timedelta(days=9)), Bound()),
    )
    Path(new.path).write_bytes(Path(old.path).read_bytes())
    edited(sealed_sha256=old.sealed_sha256)(new)
    forged = escrow.entries().entries[0]
    escrow.verify(forged)
    with pytest.raises(Damaged, match="differs in server_version, product, taken_at"):
        escrow.open(forged, Bound())
    assert escrow.open(old, Bound()) == KEY


def test_fields_that_a_later_version_sealed_are_ignored(escrow: Escrow) -> None:
    class Later(Bound):
        def seal(self, content: bytes) -> bytes:
            return super().seal(content.replace(b"{", b'{"weather": "rain",', 1))

    assert escrow.open(escrow.store(KEY, origin(), Later()), Later()) == KEY


@pytest.mark.parametrize(
    ("opened", "message"),
    [
        (KEY, "no manifest was sealed"),
        (b"\n\n" + KEY, "is not JSON"),
        (b"[]\n\n" + KEY, "not a JSON object"),
        (b"{}\n\n" + KEY, "differs in format, management_group"),
    ],
)
def test_what_was_sealed_without_its_manifest_is_noticed(escrow: Escrow, opened: bytes, message: str) -> None:
    entry = escrow.store(KEY, origin(), Bound())
    Path(entry.path).write_bytes(opened[::-1])
    edited(sealed_sha256=hashlib.sha256(opened[::-1]).hexdigest())(entry)
    with pytest.raises(Damaged, match=message):
        escrow.open(escrow.entries().entries[0], Bound())


def test_another_seal_is_named(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Mirror())
    with pytest.raises(WrongSeal, match="is sealed as mirror, and what was given opens none"):
        escrow.open(entry, Plain())


def test_a_backup_that_vanished(escrow: Escrow) -> None:
    entry = escrow.store(KEY, origin(), Plain())
    os.remove(entry.path)
    with pytest.raises(EscrowError, match="No such file"):
        escrow.open(entry, Plain())


# Removing older backups


def store_nights(escrow: Escrow, count: int, **changes: Any) -> list[Entry]:
    return [
        escrow.store(KEY, origin(taken_at=NIGHT + timedelta(days=day), **changes), Mirror()) for day in range(count)
    ]


def tidy(escrow: Escrow, keep: int, newest: Entry) -> list[Entry]:
    removed = escrow.superseded("ODYSSEY", "hydra.odyssey.com", keep, newest, made_for="hydra")
    for entry in removed:
        escrow.remove(entry)
    return removed


@pytest.mark.parametrize(("keep", "left"), [(9, 4), (4, 4), (3, 3), (1, 1), (0, 1), (-1, 1)])
def test_the_newest_generations_are_kept_and_never_none(escrow: Escrow, keep: int, left: int) -> None:
    nights = store_nights(escrow, 4)
    others = [*store_nights(escrow, 2, server="deathsting"), *store_nights(escrow, 2, management_group="ILIAD")]
    assert tidy(escrow, keep, nights[-1]) == nights[::-1][left:]
    assert {entry.path for entry in escrow.entries().entries} == {entry.path for entry in nights[-left:] + others}
    assert len(files(escrow)) == 2 * (left + len(others))
    assert tidy(escrow, keep, nights[-1]) == []


def test_before_a_backup_is_made_it_can_be_said_what_would_go(escrow: Escrow) -> None:
    nights = store_nights(escrow, 3)
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 2, made_for="hydra") == [nights[1], nights[0]]
    assert len(escrow.entries().entries) == 3


def test_a_damaged_backup_is_no_generation_and_stays_as_evidence(escrow: Escrow) -> None:
    nights = store_nights(escrow, 4)
    flip(nights[2].path)
    assert tidy(escrow, 2, nights[3]) == [nights[0]]
    assert escrow.entries().entries == [nights[3], nights[2], nights[1]]


def test_a_backup_from_the_future_does_not_push_out_the_newest(escrow: Escrow) -> None:
    nights = store_nights(escrow, 3)
    assert tidy(escrow, 1, nights[1]) == [nights[0]]
    assert escrow.entries().entries == [nights[2], nights[1]]


def test_only_what_was_made_for_the_same_host_of_the_inventory_is_superseded(escrow: Escrow) -> None:
    """Another server that says that it is this one, and an inventory in which two hosts are the same server, cost
    nobody a backup.
    """
    genuine = store_nights(escrow, 3)
    impostor = escrow.store(KEY, origin(taken_at=NIGHT + timedelta(days=9), inventory_host="argo"), Mirror())
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 1, impostor, made_for="argo") == []
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 4, made_for="hydra") == []
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 2, made_for="hydra") == [genuine[1], genuine[0]]


def test_what_an_earlier_version_made_says_nothing_of_the_inventory_and_stays(escrow: Escrow) -> None:
    old = store_nights(escrow, 3, inventory_host=None)
    assert "inventory_host" not in json.loads(Path(old[0].manifest_path).read_text(encoding="ascii"))
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 1, made_for="hydra") == []
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 1, made_for=None) == []


def test_a_backup_dated_after_now_is_neither_the_newest_nor_a_generation(escrow: Escrow) -> None:
    nights = store_nights(escrow, 4)
    now = nights[2].taken_at
    assert escrow.newest("ODYSSEY", now=now) == nights[2]
    assert escrow.newest("ODYSSEY", now=NIGHT - timedelta(days=1)) is None
    assert escrow.superseded("ODYSSEY", "hydra.odyssey.com", 2, made_for="hydra", now=now) == [nights[1], nights[0]]
    assert escrow.find("ODYSSEY", nights[3].sha256) == nights[3]


def test_jobs_that_keep_one_each_never_remove_the_last(escrow: Escrow) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            tidy(
                escrow, 1, escrow.store(b"%d" % number, origin(taken_at=NIGHT + timedelta(seconds=number % 3)), Bound())
            )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listing = escrow.entries()
    assert (errors, listing.problems) == ([], [])
    assert listing.entries[0].taken_at.second == (NIGHT + timedelta(seconds=2)).second
    assert escrow.open(listing.entries[0], Bound())


def test_a_backup_that_cannot_be_removed_is_an_error_and_stays_whole(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store_nights(escrow, 2)

    def unlink(path: str, **kwargs: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(EscrowError, match=r"remove an older key backup from the escrow: .*Permission denied"):
        tidy(escrow, 1, new)
    assert escrow.entries().entries == [new, old]


def test_a_removal_that_was_cut_off_leaves_no_backup_that_looks_whole(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store_nights(escrow, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing(os.unlink, 2))
        with pytest.raises(EscrowError):
            tidy(escrow, 1, new)
    listing = escrow.entries()
    assert listing.entries == [new]
    assert [problem.path for problem in listing.problems] == [old.path]


def test_a_manifest_that_could_not_be_read_again_is_not_written(escrow: Escrow) -> None:
    class Crowd(Plain):
        recipients = (Recipient("CN=" + "a" * 70000, b""),)

    with pytest.raises(EscrowError, match="Seal for fewer certificates"):
        escrow.store(KEY, origin(), Crowd())
    assert files(escrow) == {}


def test_what_is_as_large_as_it_may_be_is_stored_and_read(escrow: Escrow, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = escrow.store(KEY, origin(), Mirror())
    monkeypatch.setattr(store, "KEY_FILE_LIMIT_BYTES", len(KEY))
    monkeypatch.setattr(store, "SEALED_FILE_LIMIT_BYTES", len(KEY))
    monkeypatch.setattr(store, "MANIFEST_LIMIT_BYTES", len(Path(entry.manifest_path).read_bytes()))
    again = escrow.store(KEY, origin(taken_at=NIGHT + timedelta(seconds=1)), Mirror())
    assert escrow.entries().entries == [again, entry]
    assert escrow.open(again, Mirror()) == KEY
    with pytest.raises(EscrowError, match="the key file has"):
        escrow.store(KEY + b"x", origin(), Mirror())
