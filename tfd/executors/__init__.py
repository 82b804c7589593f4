# SPDX-License-Identifier: Apache-2.0
"""Where the parallel engine's atoms run: any executor of :mod:`concurrent.futures`."""

from __future__ import annotations

import queue
from concurrent import futures
from typing import Any

from tfd import plugins

__all__ = ['acquire', 'check', 'completions', 'release']

_NAMESPACE = 'tfd.executors'
#: Names of the built-in kind, TaskFlow's among them.
_THREADS = frozenset((None, 'thread', 'threads', 'threaded'))
#: What users of TaskFlow pass in.
_GREEN_OF_FUTURIST = 'GreenThreadPoolExecutor'


def check(executor: Any) -> None:
    """Check what was given as an executor.

    :raises TypeError: it is no executor and no name.
    :raises ValueError: it is the name of no kind that is installed.
    """
    if isinstance(executor, futures.ProcessPoolExecutor):
        raise TypeError('executor is a ProcessPoolExecutor: tasks run in threads of this process only, in this release')
    if executor is None or isinstance(executor, futures.Executor) or hasattr(executor, 'submit'):
        return
    if not isinstance(executor, str):
        raise TypeError(
            f'executor must be an executor of concurrent.futures or the name of a kind, not {executor!r}'
            f' ({type(executor).__name__})')
    known = {str(name) for name in _THREADS if name} | set(plugins.names(_NAMESPACE))
    if executor not in known:
        raise ValueError(f'no kind of executor is named {executor!r}; there are {sorted(known)}')


def acquire(executor: Any, max_workers: int | None = None) -> futures.Executor:
    """Return the caller's executor, or a new one of the kind named, which :func:`release` closes."""
    if executor in _THREADS:
        return futures.ThreadPoolExecutor(max_workers, thread_name_prefix='tfd')
    if isinstance(executor, str):
        made: futures.Executor = plugins.load(_NAMESPACE, executor)(max_workers)
        return made
    given: futures.Executor = executor
    return given


def completions(executor: futures.Executor) -> Any:
    """Return the queue on which an engine waits for what it submitted: ``put``, ``get(timeout=)`` and ``get_nowait``.

    The executor's own, where it has one: waiting on another may keep its calls from running, as it does where they
    run on green threads of the thread that waits.
    """
    own = getattr(executor, 'completions', None)
    if own is not None:
        return own()
    if any(kind.__name__ == _GREEN_OF_FUTURIST for kind in type(executor).__mro__):
        return plugins.load(_NAMESPACE, 'greenthreads').completions()
    return queue.SimpleQueue()


def release(executor: Any, acquired: futures.Executor, wait: bool = True) -> None:
    """Close what :func:`acquire` made; leave the caller's executor alone.

    :param wait: wait for the calls that run; False lets them run on, and drops those that have not begun.
    """
    if executor is None or isinstance(executor, str):
        acquired.shutdown(wait=wait, cancel_futures=not wait)
