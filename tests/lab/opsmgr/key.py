# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of the root management server, the secrets it protects and the file it is backed up to.

The real formats are not documented; these are the lab's own [assumed].  What matters is kept: without the right 32
bytes no Run As secret can be read, a backup opens with its password only, and nothing in it can be changed unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_ROUNDS = 20_000  # few, because every drill pays for them on slow machines; the lab protects nothing of value
_MAGIC = b"OMSSBKUP"
_TAG_BYTES = 16
_FRAME = struct.Struct(">8sHH")  # magic, format, length of the server version that follows


class WrongKeyError(Exception):
    """The data was encrypted with another key or changed since."""


class WrongPasswordError(Exception):
    """The backup file does not open with this password."""


class NotABackupError(Exception):
    """The file is not a key backup."""


def new_key() -> bytes:
    """A key as Setup makes one for a new management group."""
    return os.urandom(KEY_BYTES)


def check_value(key: bytes) -> bytes:
    """What is stored beside a key (``MOMBins``, ``Value2``), so that a damaged one is noticed [assumed]."""
    return hashlib.sha256(b"opsmgr key check" + key).digest()[:16]


def encrypt_secret(key: bytes, account: str, secret: str) -> bytes:
    """A Run As secret as the operational database keeps it; it belongs to that account and no other."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret.encode(), account.encode())


def decrypt_secret(key: bytes, account: str, data: bytes) -> str:
    """The secret of a Run As account; raises WrongKeyError when this is not the key it was encrypted with."""
    try:
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], account.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise WrongKeyError(f"the secret of {account} cannot be decrypted") from error


@dataclass(frozen=True)
class KeyBackup:
    """What a backup file holds."""

    key: bytes
    group: str
    server_version: str


def pack_backup(backup: KeyBackup, password: str) -> bytes:
    """The bytes of a backup file: who wrote it in clear, key and group encrypted under the password."""
    version = backup.server_version.encode()
    head = _FRAME.pack(_MAGIC, 1, len(version)) + version
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    content = json.dumps({"key": backup.key.hex(), "group": backup.group}).encode()
    return head + salt + nonce + AESGCM(_derive(password, salt)).encrypt(nonce, content, head)


def backup_version(data: bytes) -> str:
    """The ``ServerVersion`` of the server that wrote this backup file."""
    return _split(data)[0][_FRAME.size :].decode()


def unpack_backup(data: bytes, password: str) -> KeyBackup:
    """Open a backup file."""
    head, body = _split(data)
    salt, nonce, sealed = body[:_SALT_BYTES], body[_SALT_BYTES:][:_NONCE_BYTES], body[_SALT_BYTES + _NONCE_BYTES :]
    try:
        content = json.loads(AESGCM(_derive(password, salt)).decrypt(nonce, sealed, head))
    except InvalidTag as error:
        raise WrongPasswordError("the password does not open this backup") from error
    return KeyBackup(bytes.fromhex(content["key"]), content["group"], head[_FRAME.size :].decode())


def _split(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _FRAME.size or not data.startswith(_MAGIC):
        raise NotABackupError("no key backup")
    size = _FRAME.size + _FRAME.unpack_from(data)[2]
    if len(data) < size + _SALT_BYTES + _NONCE_BYTES + _TAG_BYTES:
        raise NotABackupError("the key backup is cut off")
    return data[:size], data[size:]


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS, KEY_BYTES)
