# SPDX-License-Identifier: Apache-2.0
"""A process that loads modules of tests: to list them, or to run some of them, on tfd or on TaskFlow.

Takes its orders as JSON on its standard input and tells what happens in lines of JSON on its standard output.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pathlib
import signal
import sys
import traceback
import types
import unittest
from collections.abc import Iterator
from typing import Any

from tests.conformance import names

#: Seconds beyond the time of a test after which the process itself is ended, where the test does not let itself be.
_GRACE = 10


class _Overtime(BaseException):
    """A test took too long. Not an Exception: tasks must not take it for a failure of their own."""


def main() -> int:
    """Do what standard input says."""
    orders = json.load(sys.stdin)
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w', buffering=1)
    # What the tests print is not ours to tell.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finder = None
    if orders['on_tfd']:
        finder = names.answer(names.Rules(
            wheel=pathlib.Path(orders['wheel']), helpers=tuple(orders['helpers']),
            stand_ins=tuple(orders['stand_ins'])))
    if orders['zookeeper']:
        _point_at(orders['zookeeper'])
    loader = unittest.TestLoader()
    found = _load(loader, orders)
    tests = {name: test for some in found.values() for name, test in some.items()}
    if loader.errors:
        _tell(out, error='\n'.join(loader.errors))
    elif orders['tests'] is None:
        _tell(out, tests={module: list(some) for module, some in found.items()})
    else:
        for name in orders['tests']:
            _tell(out, begun=name)
            outcome, text = _run(tests[name], orders['seconds']) if name in tests else ('failed', 'does not exist')
            _tell(out, ended=name, outcome=outcome, text=text)
    if finder is not None:
        _tell(out, answered=finder.answered)
    out.close()
    # Threads that a test left behind do not keep us.
    os._exit(0)


def _point_at(zookeeper: str) -> None:
    """Have the wheel's tests use this server, where they have a port of their own in mind.

    And sessions longer than theirs of a second, which end where a machine is busy.
    """
    utils = importlib.import_module('taskflow.tests.utils')
    utils.ZK_TEST_CONFIG.update(hosts=[zookeeper], timeout=5.0)


def _load(loader: unittest.TestLoader, orders: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ``{module: {name: test}}``."""
    found: dict[str, dict[str, Any]] = {}
    prefix = orders['prefix']
    try:
        for module in orders['first']:
            importlib.import_module(module)
        for module in orders['modules']:
            loaded = loader.loadTestsFromName(prefix + module)
            found[module] = {test.id().removeprefix(prefix): test for test in _flat(loaded)}
    except Exception:
        loader.errors.append(traceback.format_exc())
    return found


def _flat(suite: Any) -> Iterator[Any]:
    try:
        parts = iter(suite)
    except TypeError:
        yield suite
        return
    for part in parts:
        yield from _flat(part)


def _tell(out: Any, **what: Any) -> None:
    out.write(json.dumps(what) + '\n')


def _run(test: Any, seconds: float) -> tuple[str, str]:
    """Run a test; return passed, failed or skipped, and what it said."""
    result = unittest.TestResult()
    # testtools hands over details, which the plain result has no place for.
    result._is_subtest = False  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, _overtime)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + _GRACE, exit=True)
    try:
        test.run(result)
    except _Overtime as err:
        return 'failed', f'took more than {seconds} s\n' + ''.join(traceback.format_exception(err)[-12:])
    except BaseException as err:
        return 'failed', ''.join(traceback.format_exception(err))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    if result.skipped:
        return 'skipped', result.skipped[0][1]
    wrong = [text for _, text in (*result.failures, *result.errors)]
    return ('failed', '\n'.join(wrong)) if wrong else ('passed', '')


def _overtime(number: int, frame: types.FrameType | None) -> None:
    raise _Overtime


if __name__ == '__main__':
    sys.exit(main())
