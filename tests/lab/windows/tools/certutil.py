# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certutil.exe: -encode, -decode, and -hashfile (not on Windows Server 2003).

Exit codes are HRESULTs.  Everything goes to standard output.  ``-hashfile`` separates bytes by blanks and takes only
upper case names of algorithms on 2008 R2 [field]; it cannot map an empty file (0x800703ee) [field].  What an unknown
verb of 2003 and an empty file for ``-encode`` answer is [assumed].
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from ..errors import Win32Error, message
from ..process import Process

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
ALGORITHMS = ("MD2", "MD4", "MD5", "SHA1", "SHA256", "SHA384", "SHA512")
EMPTY_FILE = 1006
INVALID_DATA = 13
FILE_EXISTS = 80
UNKNOWN_ALGORITHM = 0xD00000BB
INVALID_ARGUMENT = 0x80070057
_LINE = 64


def hresult(code: int) -> int:
    """The HRESULT of a Win32 error."""
    return 0x80070000 | code


class Refused(Exception):
    """A Win32 error, in the function that certutil names (empty: none)."""

    def __init__(self, code: int, function: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.function = function


def _failed(process: Process, verb: str, refused: Refused) -> int:
    code, number = refused.code, f"0x{hresult(refused.code):08x} (WIN32: {refused.code})"
    text = EXTRA_MESSAGES.get(code) or message(code)
    intro = [f"{refused.function} returned {text} {number}"] if refused.function else []
    process.say(*intro, f"CertUtil: -{verb} command FAILED: {number}", f"CertUtil: {text}")
    return hresult(code)


EXTRA_MESSAGES = {
    EMPTY_FILE: "The volume for a file has been externally altered so that the opened file is no longer valid.",
}


def _encode(process: Process, files: list[str], force: bool) -> int:
    source, target = files
    data = _read(process, source, "EncodeToFile")
    if not data:
        raise Refused(INVALID_DATA, "EncodeToFile")
    text = base64.b64encode(data).decode("ascii")
    lines = [BEGIN, *(text[start : start + _LINE] for start in range(0, len(text), _LINE)), END]
    encoded = "".join(line + "\r\n" for line in lines).encode("ascii")
    _write(process, target, encoded, force, "EncodeToFile")
    process.say(f"Input Length = {len(data)}", f"Output Length = {len(encoded)}")
    return _succeeded(process, "encode")


def _decode(process: Process, files: list[str], force: bool) -> int:
    source, target = files
    data = _read(process, source, "DecodeToFile")
    decoded = decode_base64(data)
    if decoded is None:
        raise Refused(INVALID_DATA, "DecodeToFile")
    _write(process, target, decoded, force, "DecodeToFile")
    process.say(f"Input Length = {len(data)}", f"Output Length = {len(decoded)}")
    return _succeeded(process, "decode")


def decode_base64(data: bytes) -> bytes | None:
    """Base64 between certificate lines or alone, line ends and blanks ignored; None when it is not Base64 (or empty)."""
    text = data.decode("utf-16" if data.startswith(b"\xff\xfe") else "latin-1")
    if match := re.search(r"-----BEGIN [^-\r\n]*-----(.*?)-----END [^-\r\n]*-----", text, re.DOTALL):
        text = match.group(1)
    compact = re.sub(r"\s+", "", text)
    try:
        return base64.b64decode(compact, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _hashfile(process: Process, arguments: list[str], _force: bool) -> int:
    file, algorithm = [*arguments, "SHA1"][:2]
    try:
        data = process.files.read(file)
    except Win32Error as error:
        raise Refused(error.code) from error
    if algorithm not in ALGORITHMS:
        process.say(
            f"CertUtil: -hashfile command FAILED: 0x{UNKNOWN_ALGORITHM:08x} ({UNKNOWN_ALGORITHM - (1 << 32)})",
            "CertUtil: The request is not supported.",
        )
        return UNKNOWN_ALGORITHM
    if not data:
        raise Refused(EMPTY_FILE)
    digest = hashlib.new(algorithm.lower(), data).hexdigest()
    pairs = " ".join(digest[start : start + 2] for start in range(0, len(digest), 2))
    process.say(f"{algorithm} hash of file {file}:", pairs)
    return _succeeded(process, "hashfile")


def _read(process: Process, file: str, function: str) -> bytes:
    try:
        return process.files.read(file)
    except Win32Error as error:
        raise Refused(error.code, function) from error


def _write(process: Process, file: str, data: bytes, force: bool, function: str) -> None:
    try:
        if process.files.exists(file) and not force:
            raise Refused(FILE_EXISTS, function)
        process.files.write(file, data)
    except Win32Error as error:
        raise Refused(error.code, function) from error


def _succeeded(process: Process, verb: str) -> int:
    process.say(f"CertUtil: -{verb} command completed successfully.")
    return 0


Verb = Callable[[Process, list[str], bool], int]
VERBS: dict[str, tuple[Verb, int, int]] = {
    "encode": (_encode, 2, 2),
    "decode": (_decode, 2, 2),
    "hashfile": (_hashfile, 1, 2),
}
"""Verb -> its function, least and most arguments."""


def certutil(process: Process) -> int:
    """The program; options begin with ``-`` or ``/``."""
    options = [word[1:].lower() for word in process.argv[1:] if word[:1] in "-/" and len(word) > 1]
    arguments = [word for word in process.argv[1:] if word[:1] not in "-/"]
    verbs = [option for option in options if option in VERBS and (option != "hashfile" or process.host.windows.wide)]
    unknown = [option for option in options if option not in (*verbs, "f", "v", "silent", "unicodetext", "gmt")]
    if unknown or len(verbs) != 1:
        process.say(f"CertUtil: Unknown arg: -{unknown[0]}" if unknown else "CertUtil: Missing argument")
        return INVALID_ARGUMENT
    action, least, most = VERBS[verbs[0]]
    if not least <= len(arguments) <= most:
        wanted = f"at least {least}" if len(arguments) < least else f"no more than {most}"
        process.say(f"Expected {wanted} args, received {len(arguments)}", "CertUtil: Missing argument")
        return INVALID_ARGUMENT
    try:
        return action(process, arguments, "f" in options)
    except Refused as refused:
        return _failed(process, verbs[0], refused)
