# SPDX-License-Identifier: Apache-2.0
"""Where the parallel engine's atoms run: any executor of :mod:`concurrent.futures`.

An executor of any other making may have, beside ``submit`` and ``shutdown``:

- ``carrier(check, sink)``, which returns a :class:`~tfd.executors.carriers.Carrier` for one run, where calls need more
  than ``submit``;
- ``max_workers``, how many calls run at once, where that is more than a few hundred: the engine hands over as many.
"""

from __future__ import annotations

from concurrent import futures
from typing import Any

from tfd.executors import carriers

__all__ = ['acquire', 'capacity', 'carrier', 'check', 'release']

_NAMESPACE = 'tfd.executors'
#: Names of the built-in kind, TaskFlow's among them.
_THREADS = frozenset((None, 'thread', 'threads', 'threaded'))
#: What users of TaskFlow pass in.
_GREEN_OF_FUTURIST = 'GreenThreadPoolExecutor'


def check(executor: Any, max_workers: int | None = None) -> None:
    """Check what was given as an executor, and as the number of its workers.

    :raises TypeError: it is no executor and no name, or one that makes no calls of tasks, or no number.
    :raises ValueError: it is the name of no kind that is installed, or less than one worker.
    """
    if max_workers is not None:
        if isinstance(max_workers, bool) or not isinstance(max_workers, int):
            raise TypeError(f'max_workers must be a number, not {max_workers!r} ({type(max_workers).__name__})')
        if max_workers < 1:
            raise ValueError(f'max_workers must be at least 1, not {max_workers}')
    if isinstance(executor, getattr(futures, 'InterpreterPoolExecutor', ())):
        raise TypeError("executor is an InterpreterPoolExecutor: tasks run in this interpreter or in 'processes'")
    if executor is None or isinstance(executor, futures.Executor) or hasattr(executor, 'submit'):
        return
    if not isinstance(executor, str):
        raise TypeError(
            f'executor must be an executor of concurrent.futures or the name of a kind, not {executor!r}'
            f' ({type(executor).__name__})')
    known = {str(name) for name in _THREADS if name} | set(_plugins().names(_NAMESPACE))
    if executor not in known:
        raise ValueError(f'no kind of executor is named {executor!r}; there are {sorted(known)}')


def _plugins() -> Any:
    # Late: worker processes import this package, and need none of what looks for drivers.
    from tfd import plugins

    return plugins


def acquire(executor: Any, max_workers: int | None = None) -> futures.Executor:
    """Return the caller's executor, or a new one of the kind named, which :func:`release` closes."""
    if executor in _THREADS:
        return futures.ThreadPoolExecutor(max_workers, thread_name_prefix='tfd')
    if isinstance(executor, str):
        made: futures.Executor = _plugins().load(_NAMESPACE, executor)(max_workers)
        return made
    given: futures.Executor = executor
    return given


def capacity(executor: Any) -> int:
    """Return how many calls an executor runs at once, 0 where it does not say."""
    for name in ('max_workers', '_max_workers'):
        found = getattr(executor, name, None)
        if isinstance(found, int):
            return found
    return 0


def carrier(executor: futures.Executor, check: carriers.Check, sink: carriers.Sink) -> carriers.Carrier:
    """Return the way of one run to an executor, its own where it has one.

    :param check: called immediately before each call; raises where nothing may begin.
    :param sink: told of the progress of tasks.
    """
    own = getattr(executor, 'carrier', None)
    if own is not None:
        made: carriers.Carrier = own(check, sink)
        return made
    if type(executor) is futures.ThreadPoolExecutor:
        return carriers.ThreadCarrier(executor, check, sink, capacity(executor))
    if isinstance(executor, futures.ProcessPoolExecutor):
        made = _plugins().load(_NAMESPACE, 'processes').borrow(executor, check, sink)
        return made
    if any(kind.__name__ == _GREEN_OF_FUTURIST for kind in type(executor).__mro__):
        made = _plugins().load(_NAMESPACE, 'greenthreads').borrow(executor, check, sink)
        return made
    return carriers.FutureCarrier(executor, check, sink)


def release(executor: Any, acquired: futures.Executor, wait: bool = True) -> None:
    """Close what :func:`acquire` made; leave the caller's executor alone.

    :param wait: wait for the calls that run; False lets them run on, and drops those that have not begun.
    """
    if executor is None or isinstance(executor, str):
        acquired.shutdown(wait=wait, cancel_futures=not wait)
