# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# management_server_info works on the controller: its code is plugins/action/management_server_info.py, its documentation management_server_info.yml beside this file.
