# SPDX-License-Identifier: Apache-2.0
"""Writes steps of jobs, one or many, in one transaction of as few statements as the database can do with.

What is written so is what flows do most of the time: atoms that change, and the flow's state. Everything else, and
every step with which something is wrong, has a transaction of its own (:mod:`tfd_drivers.sql.steps`), which says what
it is.

Each flow has its guard: the row of its job is *written* where it has the epoch of the fence, and has seen as many
writes as this process knows of. A row that another transaction has locked is not waited for where flows share one: the
trouble of one flow is not that of the others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.sql import errors, history, steps_mysql, steps_postgresql, steps_sqlite
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.fence import Known
from tfd_drivers.sql.groups import Item
from tfd_drivers.sql.sending import Build, IncompleteError, Row, doubt

__all__ = ['QuickWriter']

#: Atoms that one step changes, at most, and bytes that it has: what has more gains little by sharing a transaction.
_ATOMS = 8
_BYTES = 32_768
#: Bytes of a row beside its values.
_FRAME = 512
#: All of them are text.
_COLUMNS = frozenset(('state', 'intention', 'result', 'failure', 'revert_result', 'revert_failure', 'meta'))

_WAYS = {
    'sqlite': steps_sqlite.write, 'postgresql': steps_postgresql.write, 'mysql': steps_mysql.write,
    'mariadb': steps_mysql.write_mariadb,
}


class QuickWriter:
    """Writes items in one transaction, and says of each what became of it.

    :param database: where to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect

    def item(self, entry: record.Entry, before: Known, what: str, now: float) -> Item | None:
        """Return the item of a step of a job, None where the step is not for this.

        :param before: what is known of the row of the job.
        :param what: what the history says of it.
        """
        changes = entry.changes
        if not 0 < len(changes) <= _ATOMS or entry.decisions or entry.settlement is not None:
            return None
        if (entry.columns and entry.columns != ('state',)) or history.is_trimmed(before.seq + 1):
            return None
        size = _FRAME + 2 * len(what)
        for change in changes:
            if not _COLUMNS.issuperset(change.columns):
                return None
            size += _FRAME + 2 * sum([len(value) for value in change.values if value is not None])
        numbers = {change.number for change in changes}
        if size > min(_BYTES, self._database.sizes.request // 4) or len(numbers) != len(changes):
            return None
        return Item.of(entry, before, what, now, size)

    def __call__(self, items: Sequence[Item]) -> None:
        """Write them. Those that are not recorded afterwards are to be written alone."""
        try:
            with self._database.bare() as cursor:
                met = _WAYS[self._kind](self._send, cursor, items)
                doubt(met)
            for item in items:
                item.doubtful = False
            for item in met:
                item.recorded = True
        except IncompleteError:
            # It was rolled back.
            for item in items:
                item.doubtful = False
        except sa.exc.SQLAlchemyError as err:
            verdict = errors.judge(err)
            if verdict is errors.Verdict.UNAVAILABLE:
                error = self._database.translated(err, verdict)
                error.__cause__ = err
                self._give_up(items, error)
        except exceptions.TaskFlowException as err:
            self._give_up(items, err)

    def _give_up(self, items: Sequence[Item], error: Exception) -> None:
        for item in items:
            item.error = error

    @property
    def _kind(self) -> str:
        # SQLAlchemy calls both mysql, and knows better once it is connected.
        return 'mariadb' if getattr(self._dialect, 'is_mariadb', False) else self._dialect.name

    def _send(self, cursor: Any, key: Hashable, build: Build, rows: Sequence[Row]) -> int:
        statement = self._database.statements.get(self._database.engine, ('quick', key), build)
        return statement.send(self._dialect, cursor, rows)
