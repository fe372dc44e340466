# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a run of MOM.msi: the twin of SETUP_SPEC in plugin_utils/actions/setup_package.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  package:
    description:
      - Full path of V(MOM.msi) on the server, of the same version and service pack as the management group.
      - When left out, it is looked for on the drives D to H and C, in V(\\Server) and at the top, there in the folder for the server's processor first.
    type: str
  properties:
    description:
      - Public properties for the setup, by name in capitals. They replace those that the module gives by itself, and V(null) leaves one of them out.
      - The names that the module gives come from memory of Microsoft's documentation. If a setup complains of one, look it up and correct it here.
      - A property that would carry a password is refused, see the notes.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds for everything, that is for setups that run already and for this one.
      - When they are over, the task fails and the setup goes on. Run the task again, it waits for the setup first.
    type: float
    default: 3600.0
notes:
  - 'No password is given to the setup. It would stand in every process listing, in the security log (event 4688) and in the log of the setup itself, and
    Windows Installer has no other way in.'
  - 'The setup connects to the operational database as the user of the connection. A logon by NTLM cannot be passed on to a second machine: use CredSSP, or
    Kerberos with delegation. The user needs the rights on the database that the setup asks for.'
  - While another setup is running (exit code 1618), the task waits for it.
  - 'The setup writes its log to V(%TEMP%\\opsmgr-recovery-setup.log) of the user on the server. It is removed after success, and stays there after a failure.'
"""
