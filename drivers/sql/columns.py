# SPDX-License-Identifier: Apache-2.0
"""Types of columns. Migrations use them: what is here stays as it is, a change is a new type."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

__all__ = ['Name', 'text']


class Name(sa.types.TypeDecorator[str]):
    """Short text that is compared byte by byte on every dialect: case, accents and trailing blanks count."""

    impl = sa.String
    cache_ok = True

    @property
    def length(self) -> int:
        """How many characters fit."""
        length: int = self.impl_instance.length  # type: ignore[attr-defined]  # it is a String
        return length

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        """Return the dialect's own type."""
        if dialect.name in ('mysql', 'mariadb'):
            # Plain utf8mb4_bin pads with blanks: 'a' would equal 'a '.
            collation = 'utf8mb4_nopad_bin' if getattr(dialect, 'is_mariadb', True) else 'utf8mb4_0900_bin'
            return mysql.VARCHAR(self.length, charset='utf8mb4', collation=collation)
        if dialect.name == 'postgresql':
            return sa.String(self.length, collation='C')
        return sa.String(self.length)


def text() -> sa.types.TypeEngine[str]:
    """Return the type of text of any length; MariaDB's TEXT ends at 64 KB and has lost data for others."""
    return sa.Text().with_variant(mysql.LONGTEXT(charset='utf8mb4'), 'mysql', 'mariadb')
