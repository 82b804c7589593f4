# SPDX-License-Identifier: Apache-2.0
"""Counting what is asked of a database, for tests that promise a cost."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

__all__ = ['StatementCounter']

_WATCHED = ('do_execute', 'do_executemany', 'do_commit', 'do_rollback')
_BEGINS = frozenset(('BEGIN', 'BEGIN IMMEDIATE'))
#: How statements begin that write nothing.
_READING = ('SELECT', 'SET', 'SHOW', 'PRAGMA', 'EXPLAIN', 'ANALYZE')


class StatementCounter:
    """Counts transactions and statements of an SQLAlchemy engine, in whatever threads, inside a ``with`` block.

    It sees what goes to the database's client, whether it comes through an SQLAlchemy connection or not.

    :ivar commits: transactions that wrote something, or tried to, and were committed.
    :ivar reads: other transactions that were committed.
    :ivar rollbacks: transactions of either kind that were not committed.
    :ivar statements: the text of each statement, in order; one that was sent with many rows at once counts once.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.commits = 0
        self.reads = 0
        self.rollbacks = 0
        self.statements: list[str] = []
        self._real: dict[str, Any] = {}
        self._here = threading.local()

    def matching(self, *words: str) -> list[str]:
        """Return the statements that contain all of these words, whatever their case."""
        return [text for text in self.statements if all(word.lower() in text.lower() for word in words)]

    def __enter__(self) -> Self:
        # What the first connection asks the server about itself is nobody's cost.
        self._engine.connect().close()
        dialect: Any = self._engine.dialect
        self._real = {name: getattr(dialect, name) for name in _WATCHED}
        for name, watch in (
            ('do_execute', self._statement), ('do_executemany', self._statement),
            ('do_commit', self._commit), ('do_rollback', self._rollback),
        ):
            setattr(dialect, name, functools.partial(watch, self._real[name]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, real in self._real.items():
            setattr(self._engine.dialect, name, real)

    def _commit(self, real: Callable[..., Any], connection: Any) -> None:
        real(connection)
        if self._has_written():
            self.commits += 1
        else:
            self.reads += 1

    def _rollback(self, real: Callable[..., Any], connection: Any) -> None:
        self._has_written()
        self.rollbacks += 1
        real(connection)

    def _has_written(self) -> bool:
        """Tell whether this thread's transaction wrote; the next one has not."""
        written, self._here.written = getattr(self._here, 'written', False), False
        return written

    def _statement(self, real: Callable[..., Any], cursor: Any, text: str, *args: Any, **kwargs: Any) -> Any:
        if text not in _BEGINS:
            self.statements.append(text)
            if not text.lstrip(' (').upper().startswith(_READING):
                self._here.written = True
        return real(cursor, text, *args, **kwargs)
