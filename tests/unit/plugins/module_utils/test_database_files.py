# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup file that is not there, by the number that a server of any language tells."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_files import read_sets_if_there
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError

PATH = "D:\\Sets 2(1)\\om.bak"


class Refusing:
    """A connection on which looking into a backup file fails."""

    def __init__(self, number: int, message: str) -> None:
        self.error = SqlError(number, "42000", message, "RESTORE HEADERONLY FROM DISK = ?", "sql1:1433")

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        raise self.error


@pytest.mark.parametrize(
    "message",
    [
        f"Cannot open backup device '{PATH}'. Operating system error 2(The system cannot find the file specified.).",
        f"Das Sicherungsmedium '{PATH}' kann nicht geöffnet werden. Betriebssystemfehler 2(Das System kann die angegebene Datei nicht finden.).",
        f"无法打开备份设备\u201c{PATH}\u201d。出现操作系统错误 2(系统找不到指定的文件。)。",
        f"バックアップ デバイス '{PATH}' を開けません。オペレーティング システム エラー2（指定されたファイルが見つかりません。）。",
        f"Impossible d'ouvrir l'unité de sauvegarde '{PATH}'. Erreur du système d'exploitation 2 (Le fichier spécifié est introuvable.).",
    ],
)
def test_a_file_that_is_not_there(message: str) -> None:
    assert read_sets_if_there(Refusing(3201, message), PATH) is None


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (3201, f"Cannot open backup device '{PATH}'. Operating system error 5(Access is denied.)."),
        (3201, f"Cannot open backup device '{PATH}'. Operating system error 32(It is used by another process.)."),
        (3201, f"无法打开备份设备\u201c{PATH}\u201d。出现操作系统错误 112(磁盘空间不足。)。"),
        (3241, f"The media family on device '{PATH}' is incorrectly formed. 2(x)"),
    ],
)
def test_a_file_that_cannot_be_read(number: int, message: str) -> None:
    with pytest.raises(SqlError):
        read_sets_if_there(Refusing(number, message), PATH)
