# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and manifests of the escrow: how a backup is described on disk, without touching the disk.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import string
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, VersionError

MANIFEST_FORMAT = 1
# What the manifest calls the seals.
NOT_SEALED = "none"
SEALED_WITH_VAULT = "ansible-vault"
SEALED_FOR_CERTIFICATES = "cms"

_MANIFEST_TIME = "%Y-%m-%dT%H:%M:%SZ"
_FILE_TIME = "%Y%m%dT%H%M%SZ"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_FILE = re.compile(r"[0-9A-Za-z-]+\.[a-z0-9]+\Z")

_SAFE = frozenset((string.ascii_letters + string.digits + "._-").encode("ascii"))
# Windows gives these names, with any extension, to devices; an escrow may lie on a Windows share [ms].
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
# File systems take 255 bytes.
_COMPONENT_LIMIT = 255
# A name that would need more keeps its beginning and gets a hash. %- stands in no other component: an escaped byte has
# two hexadecimal digits.
_SHORTENED = re.compile(r"(?P<beginning>.+)%-[0-9a-f]{32}\Z")
_HASH_DIGITS = 32


class ManifestError(Exception):
    """A manifest that cannot be used. Field C(found): why."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@dataclass(frozen=True)
class Recipient:
    """Somebody who can open a backup: C(subject) is for people, C(certificate) is DER."""

    subject: str
    certificate: bytes

    @property
    def sha256(self) -> str:
        """The fingerprint of the certificate, as C(openssl x509 -fingerprint -sha256) has it but for the colons."""
        return hashlib.sha256(self.certificate).hexdigest()

    def manifest(self) -> dict[str, str]:
        """What the manifest says."""
        return {
            "subject": self.subject,
            "sha256": self.sha256,
            "certificate": base64.b64encode(self.certificate).decode("ascii"),
        }


@dataclass(frozen=True)
class Entry:
    """One backup in the escrow. C(sha256) and C(size) (bytes) are those of the key file before sealing."""

    path: str
    manifest_path: str
    management_group: str
    server: str
    server_version: ServerVersion
    taken_at: datetime
    sha256: str
    size: int
    seal: str
    sealed_sha256: str
    key_fingerprint: str | None
    collection_version: str
    recipients: tuple[Recipient, ...] = ()
    inventory_host: str | None = None

    def manifest(self) -> dict[str, Any]:
        """What the manifest says, fit for JSON and for a module's result."""
        # Backups of earlier versions do not say which host of the inventory they were made for.
        made_for = {} if self.inventory_host is None else {"inventory_host": self.inventory_host}
        return {
            "format": MANIFEST_FORMAT,
            "file": _base_name(self.path),
            "management_group": self.management_group,
            "server": self.server,
            "server_version": str(self.server_version),
            "product": self.server_version.product,
            "taken_at": self.taken_at.strftime(_MANIFEST_TIME),
            "sha256": self.sha256,
            "size": self.size,
            "seal": self.seal,
            "sealed_sha256": self.sealed_sha256,
            "key_fingerprint": self.key_fingerprint,
            "collection_version": self.collection_version,
            "recipients": [recipient.manifest() for recipient in self.recipients],
            **made_for,
        }


# Two fields are known only after the header was sealed.
_NOT_IN_HEADER = ("file", "sealed_sha256")
_HEADER_END = b"\n\n"


def manifest_bytes(entry: Entry) -> bytes:
    """The manifest file: JSON in ASCII, one line per field, so that people and `diff` can read it."""
    return _json(entry.manifest()) + b"\n"


def with_header(entry: Entry, content: bytes) -> bytes:
    """What is sealed: the manifest once more, as far as it is known by then, an empty line, and the key file
    C(content).
    """
    return _json(_header(entry)) + _HEADER_END + content


def without_header(entry: Entry, unsealed: bytes) -> bytes:
    """The key file behind the header. Raises ManifestError unless the header says what the manifest says."""
    header, end, content = unsealed.partition(_HEADER_END)
    if not end:
        raise ManifestError("no manifest was sealed with the key")
    differences = _differences(entry, header)
    if differences:
        raise ManifestError(
            f"the manifest is not the one that was sealed with the key: it differs in {', '.join(differences)}"
        )
    return content


def _differences(entry: Entry, header: bytes) -> list[str]:
    sealed = _json_object(header)
    # What later versions add is not used here, and may differ.
    return [name for name, value in _header(entry).items() if name not in sealed or sealed[name] != value]


def _header(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in entry.manifest().items() if name not in _NOT_IN_HEADER}


def _json(fields: dict[str, Any]) -> bytes:
    # No line of it is empty: the end of the header is the first one that is.
    return json.dumps(fields, indent=2).encode("ascii")


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestError("the manifest is not JSON") from error
    if not isinstance(fields, dict):
        raise ManifestError("the manifest is not a JSON object")
    return fields


def entry_from_manifest(content: bytes, path: str, stem: str) -> Entry:
    """Read the manifest file C(path), named C(stem).json. Fields that are not known are ignored. Raises ManifestError."""
    fields = _fields(content)
    entry = Entry(
        path=path[: -len(_base_name(path))] + fields["file"],
        manifest_path=path,
        management_group=fields["management_group"],
        server=fields["server"],
        server_version=_parsed_version(fields["server_version"]),
        taken_at=_parsed_time(fields["taken_at"]),
        sha256=_hash(fields["sha256"]),
        size=fields["size"],
        seal=fields["seal"],
        sealed_sha256=_hash(fields["sealed_sha256"]),
        key_fingerprint=fields["key_fingerprint"],
        collection_version=fields["collection_version"],
        recipients=tuple(_recipient(each) for each in fields["recipients"]),
        inventory_host=fields.get("inventory_host"),
    )
    _check_names(entry, fields["file"], stem)
    return entry


def file_stem(taken_at: datetime, sha256: str, number: int = 1) -> str:
    """C(20260131T020304Z-1a2b3c4d), with C(-2) and so on when that name is taken."""
    stem = f"{taken_at.astimezone(timezone.utc).strftime(_FILE_TIME)}-{sha256[:8]}"
    return stem if number == 1 else f"{stem}-{number}"


def path_component(name: str) -> str:
    """Turn any name into one safe path component: bytes of its UTF-8 that are not harmless become C(%XX).

    A component that would be longer than file systems allow ends in a hash of the name instead. Raises ValueError for
    an empty name.
    """
    if not name:
        raise ValueError("a name is empty")
    data = name.encode("utf-8", "surrogatepass")
    parts = [chr(byte) if byte in _SAFE else _escaped(byte) for byte in data]
    # A leading dot hides or climbs, a leading hyphen looks like an option, Windows drops a trailing dot.
    if name[0] in ".-" or _DEVICE.match(name):
        parts[0] = _escaped(data[0])
    if name[-1] == ".":
        parts[-1] = _escaped(data[-1])
    component = "".join(parts)
    return component if len(component) <= _COMPONENT_LIMIT else _shortened(parts, data)


def _shortened(parts: list[str], data: bytes) -> str:
    end = "%-" + hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]
    beginning = ""
    for part in parts:
        if len(beginning) + len(part) + len(end) > _COMPONENT_LIMIT:
            break
        beginning += part
    return beginning + end


def server_component(server: str) -> str:
    """The path component of a server: in lower case, because names of servers do not differ by case."""
    return path_component(server.lower())


@lru_cache(maxsize=1024)
def components_of(name: str) -> frozenset[str]:
    """How a directory for that name can be called, in lower case; empty for a name that no directory has.

    A file system that ignores case may have kept another spelling; the manifests inside tell the true name.
    """
    try:
        return frozenset({path_component(name).lower(), path_component(name.lower()).lower()})
    except ValueError:
        return frozenset()


def is_component(component: str) -> bool:
    """Whether C(path_component()) can have made that component. Other names (lost+found, .snapshot) belong to somebody
    else.
    """
    shortened = _SHORTENED.match(component)
    if shortened:
        # The beginning may end in the middle of a character.
        return all(
            part in _SAFE or part == ord("%") for part in shortened["beginning"].encode("utf-8", "surrogatepass")
        )
    try:
        return path_component(unquote_to_bytes(component).decode("utf-8", "surrogatepass")) == component
    except ValueError:
        return False


def _escaped(byte: int) -> str:
    return f"%{byte:02X}"


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]


# What may be missing: the fingerprint is null then.
_OPTIONAL = ("key_fingerprint", "inventory_host")
# Field -> type.
_FIELDS: dict[str, type] = {
    "file": str,
    "management_group": str,
    "server": str,
    "server_version": str,
    "taken_at": str,
    "sha256": str,
    "size": int,
    "seal": str,
    "sealed_sha256": str,
    "key_fingerprint": str,
    "collection_version": str,
    "recipients": list,
    "inventory_host": str,
}


def _fields(content: bytes) -> dict[str, Any]:
    fields = _json_object(content)
    if fields.get("format") != MANIFEST_FORMAT:
        raise ManifestError(
            f"the manifest has format {str(fields.get('format'))[:20]}, and this version of the collection reads format {MANIFEST_FORMAT}"
        )
    for name, kind in _FIELDS.items():
        _check_field(name, kind, fields)
    return fields


def _check_field(name: str, kind: type, fields: dict[str, Any]) -> None:
    if name == "inventory_host" and name not in fields:
        return
    if name not in fields:
        raise ManifestError(f"the manifest has no {name}")
    value = fields[name]
    if name in _OPTIONAL and value is None:
        return
    # bool is an int for isinstance().
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ManifestError(f"{name} in the manifest is not of type {kind.__name__}")


def _parsed_version(text: str) -> ServerVersion:
    try:
        return ServerVersion.parse(text)
    except VersionError as error:
        raise ManifestError(f"server_version in the manifest: {error.found}") from error


def _parsed_time(text: str) -> datetime:
    try:
        # Not strptime(): what it prepares when it is first used takes a process longer than all else here.
        if not _TIME.match(text):
            raise ValueError(text)
        return datetime.fromisoformat(f"{text[:-1]}+00:00")
    except ValueError as error:
        raise ManifestError("taken_at in the manifest is not a time such as 2026-01-31T02:03:04Z") from error


def _hash(text: str) -> str:
    if not _SHA256.match(text):
        raise ManifestError("the manifest has no SHA-256 where one belongs")
    return text


def _recipient(fields: Any) -> Recipient:
    try:
        recipient = Recipient(fields["subject"], base64.b64decode(fields["certificate"], validate=True))
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError("recipients in the manifest are not subjects and certificates") from error
    if not isinstance(recipient.subject, str) or fields.get("sha256") != recipient.sha256:
        raise ManifestError("the manifest has another SHA-256 than that of a recipient's certificate")
    return recipient


def _check_names(entry: Entry, file: str, stem: str) -> None:
    """The file names repeat time and hash, so that a manifest which was swapped with another one is noticed."""
    expected = file_stem(entry.taken_at, entry.sha256)
    if stem != expected and not re.match(re.escape(expected) + r"-[0-9]+\Z", stem):
        raise ManifestError(f"the manifest describes {expected}, and is not named so")
    if not _FILE.match(file) or file.rpartition(".")[0] != stem or file.endswith((".json", ".p7s")):
        raise ManifestError("the manifest names a file that is not its own")
