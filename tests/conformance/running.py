# SPDX-License-Identifier: Apache-2.0
"""Lists the tests of the wheel, and runs them, a process for each module of them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from typing import Any

__all__ = ['Outcome', 'Wheel', 'census', 'run']

_PREFIX = 'taskflow.tests.unit.'


@dataclasses.dataclass(frozen=True, slots=True)
class Wheel:
    """What is run, and by which rules.

    :ivar place: the folder of the wheel's package.
    :ivar helpers, stand_ins: see :class:`tests.conformance.names.Rules`.
    :ivar seconds: how long a test may take.
    """

    place: pathlib.Path
    helpers: tuple[str, ...]
    stand_ins: tuple[str, ...]
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a test.

    :ivar kind: ``passed``, ``failed`` or ``skipped``.
    :ivar text: what it said.
    """

    kind: str
    text: str


def census(wheel: Wheel, kept: pathlib.Path, jobs: int) -> dict[str, list[str]]:
    """Return ``{module: its tests}`` of all tests that the wheel has, as the wheel itself tells them.

    :param kept: a file that keeps the answer, which never changes.
    :raises RuntimeError: a module of tests cannot be imported even on TaskFlow itself.
    """
    if kept.exists():
        known: dict[str, list[str]] = json.loads(kept.read_text())
        return known
    root = wheel.place / 'tests' / 'unit'
    modules = ['.'.join(path.relative_to(root).with_suffix('').parts) for path in sorted(root.rglob('test_*.py'))]
    found = dict(zip(modules, _each(modules, lambda module: _tests_of(wheel, module), jobs), strict=True))
    kept.write_text(json.dumps(found, indent=1))
    return found


def _tests_of(wheel: Wheel, module: str) -> list[str]:
    for line in _work(wheel, module, on_tfd=False, tests=None):
        if 'tests' in line:
            names: list[str] = line['tests']
            return names
        if 'error' in line:
            raise RuntimeError(f'{module}: {line["error"]}')
    raise RuntimeError(f'{module}: its tests could not be listed')


def run(
    wheel: Wheel, tests: Mapping[str, list[str]], jobs: int,
) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    """Run tests, by module; return what came of each, and ``{who: the modules that it answered}``."""
    outcomes: dict[str, Outcome] = {}
    answered: dict[str, set[str]] = {}
    for some, names in _each(list(tests), lambda module: _run_module(wheel, module, tests[module]), jobs):
        outcomes.update(some)
        for who, modules in names.items():
            answered.setdefault(who, set()).update(modules)
    return outcomes, {who: sorted(modules) for who, modules in answered.items()}


def _run_module(wheel: Wheel, module: str, tests: list[str]) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    outcomes: dict[str, Outcome] = {}
    answered: dict[str, list[str]] = {}
    left = tests
    while left:
        begun = None
        for line in _work(wheel, module, on_tfd=True, tests=left):
            begun = line.get('begun', begun)
            answered = line.get('answered', answered)
            if 'ended' in line:
                outcomes[line['ended']] = Outcome(line['outcome'], line['text'])
            if 'error' in line:
                return dict.fromkeys(tests, Outcome('failed', line['error'])), answered
        # A process that died, or had to be ended, took one test with it.
        if begun is None:
            return {**outcomes, **dict.fromkeys(left, Outcome('failed', 'the process died'))}, answered
        outcomes.setdefault(begun, Outcome('failed', 'the process died, or was ended because it took too long'))
        left = [name for name in left if name not in outcomes]
    return outcomes, answered


def _work(wheel: Wheel, module: str, on_tfd: bool, tests: list[str] | None) -> Iterator[dict[str, Any]]:
    orders = {
        'module': _PREFIX + module, 'prefix': _PREFIX, 'on_tfd': on_tfd, 'wheel': str(wheel.place),
        'helpers': wheel.helpers, 'stand_ins': wheel.stand_ins, 'tests': tests, 'seconds': wheel.seconds}
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.conformance.worker'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    assert process.stdin is not None and process.stdout is not None
    with process:
        process.stdin.write(json.dumps(orders))
        process.stdin.close()
        for line in process.stdout:
            yield json.loads(line)


def _each(items: list[Any], function: Callable[[Any], Any], jobs: int) -> list[Any]:
    with futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(function, items))
