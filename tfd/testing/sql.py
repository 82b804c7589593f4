# SPDX-License-Identifier: Apache-2.0
"""Counting what is asked of a database, for tests that promise a cost."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

__all__ = ['StatementCounter']


class StatementCounter:
    """Counts transactions and statements of an SQLAlchemy engine, in whatever threads, inside a ``with`` block.

    :ivar commits: transactions that wrote and were committed (those that an engine begins with the execution option
        ``tfd_writing``).
    :ivar reads: transactions that only read.
    :ivar rollbacks: transactions of either kind that were not committed.
    :ivar statements: the text of each statement, in order; one that was sent with many rows at once counts once.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.commits = 0
        self.reads = 0
        self.rollbacks = 0
        self.statements: list[str] = []

    def matching(self, *words: str) -> list[str]:
        """Return the statements that contain all of these words, whatever their case."""
        return [text for text in self.statements if all(word.lower() in text.lower() for word in words)]

    def _listeners(self) -> list[tuple[str, Any]]:
        return [('commit', self._commit), ('rollback', self._rollback), ('before_cursor_execute', self._statement)]

    def __enter__(self) -> Self:
        for event, listener in self._listeners():
            sa.event.listen(self._engine, event, listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for event, listener in self._listeners():
            sa.event.remove(self._engine, event, listener)

    def _commit(self, connection: sa.Connection) -> None:
        if connection.get_execution_options().get('tfd_writing'):
            self.commits += 1
        else:
            self.reads += 1

    def _rollback(self, connection: sa.Connection) -> None:
        self.rollbacks += 1

    def _statement(
        self, connection: sa.Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not text.startswith('BEGIN'):
            self.statements.append(text)
