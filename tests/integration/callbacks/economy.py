# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a run the work that another run of the same tests has already done; what the run does is the same."""

from __future__ import annotations

DOCUMENTATION = """
name: economy
type: aggregate
short_description: Saves a run the work that another has done
description:
  - Keeps what Ansible packs for a Python module in the folder that the environment variable E(ECONOMY_PAYLOADS) names, with the byte code beside each source.
    Ansible packs a module again in every run, and Python compiles all of C(module_utils) again in every task.
  - Keeps the byte code of each Jinja template there. Ansible forks a process for each task and host, and each would compile all that it uses.
  - Loads the filters and tests of Ansible before the first task. Each of these processes would load them.
  - Leaves out of garbage collection what is there before the first task. Ansible forks a process for each task, and each would look through all of it.
options: {}
"""

import gc
import hashlib
import importlib.util
import marshal
import os
import types
import zipfile
from pathlib import Path

from ansible import constants
from ansible._internal._templating import _jinja_bits
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader

# Byte code that Python takes without a look at the source [PEP 552]: the source lies beside it in the same archive.
_UNCHECKED = (1).to_bytes(4, "little") + bytes(8)
_PYTHON = ".py"


class Payload(zipfile.ZipFile):
    """An archive with the byte code of each source."""

    def writestr(self, entry, data, *arguments, **options):
        super().writestr(entry, data, *arguments, **options)
        name = entry.filename if isinstance(entry, zipfile.ZipInfo) else entry
        if name.endswith(_PYTHON):
            code = compile(data, name, "exec", dont_inherit=True)
            super().writestr(name + "c", importlib.util.MAGIC_NUMBER + _UNCHECKED + marshal.dumps(code))


def keep_templates(folder):
    """Let Ansible's Jinja compile only what is not in the folder yet."""
    environment = _jinja_bits.AnsibleEnvironment
    compile_template = environment.compile

    def compile_once(self, source, *arguments, **options):
        if arguments or options:
            return compile_template(self, source, *arguments, **options)
        # All that decides what the code is: the text or its syntax tree, whether backslashes are kept, and the delimiters.
        escaping = _jinja_bits._TemplateCompileContext.current(optional=True)
        settings = [getattr(self, name) for name in _jinja_bits._TEMPLATE_OVERRIDE_FIELD_NAMES]
        kind = "text" if isinstance(source, str) else "tree"
        asked = repr((kind, str(source), escaping, settings))
        kept = folder / f"template-{hashlib.sha256(asked.encode('utf-8', 'surrogatepass')).hexdigest()}"
        if kept.exists():
            return marshal.loads(kept.read_bytes())
        code = compile_template(self, source)
        new = kept.with_name(f"{kept.name}.{os.getpid()}")
        new.write_bytes(marshal.dumps(code))
        new.replace(kept)
        return code

    environment.compile = compile_once


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "economy"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        folder = Path(os.environ["ECONOMY_PAYLOADS"])
        Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder, target_is_directory=True)
        keep_templates(folder)
        module_common.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": Payload})

    def v2_playbook_on_start(self, playbook):
        for loader in (filter_loader, test_loader):
            list(loader.all())
        gc.collect()
        gc.freeze()
