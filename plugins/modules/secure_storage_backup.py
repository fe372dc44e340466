# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# secure_storage_backup works on the controller: its code is plugins/action/secure_storage_backup.py, its documentation secure_storage_backup.yml beside this file.
