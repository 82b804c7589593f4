# SPDX-License-Identifier: Apache-2.0
"""Calls on a pool of processes that the caller made: a ``ProcessPoolExecutor`` of :mod:`concurrent.futures`.

Its results come back when a call has ended, and nothing before; so what tasks tell, and whether they may begin, goes
over a line beside it, on which each of its processes calls when it has something to tell or to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from typing import Any

from tfd import exceptions
from tfd.executors.carriers import Check, FutureCarrier, Sink, closed
from tfd_drivers.process import attendant, line, transfer, worker

__all__ = ['BorrowedCarrier']

#: How many of the atoms that were under way an error names.
_TOLD = 5


class BorrowedCarrier(FutureCarrier):
    """The way of one run to a pool of processes."""

    def __init__(self, executor: futures.ProcessPoolExecutor, check: Check, sink: Sink) -> None:
        super().__init__(executor, check, sink)
        self._line = line.Line(check, sink)
        self._numbers: dict[futures.Future[Any], int] = {}
        self._last = 0

    def _hand_over(self, call: Any, atom: Any, arguments: Mapping[str, Any]) -> futures.Future[Any]:
        try:
            message = bytes(transfer.pack(call, atom, arguments, b''))
        except exceptions.NotTransferable as err:
            return attendant.Call.refused(_named(atom), err)
        self._last += 1
        future: futures.Future[Any] = self._executor.submit(
            _call, self._line.where, self._last, self._check is not None, message)
        self._numbers[future] = self._last
        self._line.atoms[self._last] = atom
        return future

    def _outcome(self, future: futures.Future[Any]) -> Any:
        number = self._numbers.pop(future, None)
        if number is None:
            return future.result()
        try:
            kind, value = future.result()
        except (futures.CancelledError, futures.BrokenExecutor) as err:
            raise self._dropped(err) from err
        made = attendant.Call(_named(self._line.atoms.pop(number)), is_atom=True)
        made.settle(kind, value)
        return made.future.result()

    def _dropped(self, error: BaseException) -> exceptions.ExecutionFailure:
        """Return the error to raise where the pool has ended: which of its calls did that, nobody can know."""
        names = [str(atom.name) for atom in self._line.atoms.values()]
        more = f' and {len(names) - _TOLD} more' if len(names) > _TOLD else ''
        return exceptions.ExecutionFailure(
            f'{closed(self._executor, error)} (those of atoms {names[:_TOLD]}{more})')

    def close(self) -> bool:
        """Let nothing more begin."""
        abandoned = super().close()
        self._line.close()
        return abandoned


def _named(atom: Any) -> str:
    return f'task {atom.name!r}'


def _call(where: line.Where, number: int, asks: bool, message: bytes) -> tuple[bytes, bytes]:
    """Make a call in a process of the pool; return the kind and the bytes of the answer."""
    if asks:
        try:
            line.call(where, number, None, None)
        except Exception as err:
            return _packed(worker.RAISED, err)
    return _packed(*worker.call(message, lambda event, details: line.call(where, number, event, details)))


def _packed(kind: bytes, value: Any) -> tuple[bytes, bytes]:
    message = worker.packed_answer(kind, value, 0)
    return worker.ANSWER.unpack_from(message)[0], bytes(message[worker.ANSWER.size:])
