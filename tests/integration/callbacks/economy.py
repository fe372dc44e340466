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
  - Leaves out of garbage collection what is there before the first task. Ansible forks a process for each task, and each would look through all of it.
options: {}
"""

import gc
import importlib.util
import marshal
import os
import types
import zipfile
from pathlib import Path

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase

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


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "economy"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        kept = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        kept.symlink_to(os.environ["ECONOMY_PAYLOADS"], target_is_directory=True)
        module_common.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": Payload})

    def v2_playbook_on_start(self, playbook):
        gc.collect()
        gc.freeze()
