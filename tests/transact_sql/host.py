# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that runs the parsers: a statement as JSON in each line of standard input, what they refuse in each line of
its output.

``python host.py FOLDER``, where FOLDER has the runtime and the parsers. The runtime is .NET Core 2.2, which has none of the
functions that pythonnet starts later ones with: so it is started here, by the functions that all of them have.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

# The parsers by the major version of SQL Server, times ten: 2005, 2008, 2012, 2014, 2016, 2017, 2019.
VERSIONS = (90, 100, 110, 120, 130, 140, 150)
# What pythonnet's library is entered by: pointer and length of an argument that is not used, and 0 when all is well.
_Entry = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


def main() -> None:
    folder = Path(sys.argv[1])
    start_runtime(folder)
    parsers = make_parsers()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(refusals(parsers, json.loads(line))), flush=True)


def start_runtime(folder: Path) -> None:
    """Start .NET in this process, and Python's bridge in it. Raises RuntimeError, OSError."""
    # Neither ICU nor OpenSSL of its time is needed to read a statement.
    os.environ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"
    pythonnet = importlib.util.find_spec("pythonnet")
    if pythonnet is None or pythonnet.origin is None:
        raise RuntimeError("pythonnet is not installed")
    bridge = Path(pythonnet.origin).parent / "runtime" / "Python.Runtime.dll"
    properties = {
        "TRUSTED_PLATFORM_ASSEMBLIES": ":".join(map(str, [*sorted(folder.glob("*.dll")), bridge])),
        "APP_PATHS": str(folder),
        "NATIVE_DLL_SEARCH_DIRECTORIES": f"{folder}/",
        "System.Globalization.Invariant": "true",
    }
    runtime = ctypes.CDLL(str(folder / "libcoreclr.so"))
    host, domain, entry = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_void_p()
    checked(
        runtime.coreclr_initialize(
            sys.executable.encode(),
            b"transact_sql",
            len(properties),
            _texts(properties.keys()),
            _texts(properties.values()),
            ctypes.byref(host),
            ctypes.byref(domain),
        )
    )
    names = (b"Python.Runtime", b"Python.Runtime.Loader", b"Initialize")
    checked(runtime.coreclr_create_delegate(host, domain, *names, ctypes.byref(entry)))
    if entry.value is None:
        raise RuntimeError("the runtime does not find pythonnet's library")
    nothing = ctypes.create_string_buffer(b"")
    checked(_Entry(entry.value)(ctypes.addressof(nothing), 0))


def checked(code: int) -> None:
    """Raises RuntimeError when .NET says that something failed."""
    if code != 0:
        raise RuntimeError(f".NET answers 0x{code & 0xFFFFFFFF:08X}")


def make_parsers() -> dict[str, Any]:
    """A parser for each version. A name in double quotes is one, as ODBC drivers have it."""
    import clr

    clr.AddReference("Microsoft.SqlServer.TransactSql.ScriptDom")
    from Microsoft.SqlServer.TransactSql import ScriptDom

    return {str(version): getattr(ScriptDom, f"TSql{version}Parser")(True) for version in VERSIONS}


def refusals(parsers: dict[str, Any], statement: str) -> dict[str, list[str]]:
    """What each parser that refuses the statement says of it."""
    from System.IO import StringReader

    said = {}
    for version, parser in parsers.items():
        _tree, errors = parser.Parse(StringReader(statement), None)
        said[version] = [str(error.Message) for error in errors]
    return {version: messages for version, messages in said.items() if messages}


def _texts(texts: Any) -> Any:
    encoded = [text.encode() for text in texts]
    return (ctypes.c_char_p * len(encoded))(*encoded)


if __name__ == "__main__":
    main()
