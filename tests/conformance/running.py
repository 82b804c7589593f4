# SPDX-License-Identifier: Apache-2.0
"""Lists the tests of a package, and runs them in processes of their own."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from typing import Any

__all__ = ['Outcome', 'Suite', 'census', 'of_wheel', 'run']


_TREE = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True, slots=True)
class Suite:
    """What is run, and by which rules.

    :ivar wheel: the folder of the package of TaskFlow's wheel.
    :ivar root: the folder whose modules of tests are run.
    :ivar prefix: what the names of its modules begin with.
    :ivar helpers, stand_ins: see :class:`tests.conformance.names.Rules`.
    :ivar seconds: how long a test may take.
    :ivar modules: patterns of modules' names, without the prefix.
    :ivar first: modules that are imported before any of these.
    :ivar beside: a folder that the tests expect to find where they are run.
    :ivar zookeeper: the server that the tests of boards use, as ``host:port``; '' where there is none.
    :ivar together: run all modules in one process, for those that take long to import; one for each module else.
    """

    wheel: pathlib.Path
    root: pathlib.Path
    prefix: str
    helpers: tuple[str, ...]
    stand_ins: tuple[str, ...]
    seconds: float
    modules: tuple[str, ...] = ('*',)
    first: tuple[str, ...] = ()
    beside: pathlib.Path | None = None
    together: bool = False
    zookeeper: str = ''


def of_wheel(
    wheel: pathlib.Path, helpers: tuple[str, ...], stand_ins: tuple[str, ...], seconds: float, zookeeper: str = '',
) -> Suite:
    """Return the unit tests that come with the wheel of TaskFlow itself."""
    return Suite(
        wheel, wheel / 'tests' / 'unit', 'taskflow.tests.unit.', helpers, stand_ins, seconds, zookeeper=zookeeper)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a test.

    :ivar kind: ``passed``, ``failed`` or ``skipped``.
    :ivar text: what it said.
    """

    kind: str
    text: str


def census(suite: Suite, kept: pathlib.Path, jobs: int) -> dict[str, list[str]]:
    """Return ``{module: its tests}`` of all tests of a suite, as they tell themselves on TaskFlow.

    :param kept: a file that keeps the answer, which never changes.
    :raises RuntimeError: a module of tests cannot be imported even on TaskFlow itself.
    """
    if kept.exists():
        known: dict[str, list[str]] = json.loads(kept.read_text())
        return known
    modules = [name for name in _modules_below(suite.root)
               if any(fnmatch.fnmatchcase(name, pattern) for pattern in suite.modules)]
    found: dict[str, list[str]] = {}
    for some in _each(_groups(suite, modules), lambda group: _tests_of(suite, group), jobs):
        found.update(some)
    kept.write_text(json.dumps(found, indent=1))
    return found


def _modules_below(root: pathlib.Path) -> list[str]:
    return ['.'.join(path.relative_to(root).with_suffix('').parts) for path in sorted(root.rglob('test_*.py'))]


def _groups(suite: Suite, modules: Iterable[str]) -> list[list[str]]:
    """Return modules by the process that they run in."""
    return [list(modules)] if suite.together else [[module] for module in modules]


def _tests_of(suite: Suite, modules: list[str]) -> dict[str, list[str]]:
    for line in _work(suite, modules, on_tfd=False, tests=None):
        if 'tests' in line:
            names: dict[str, list[str]] = line['tests']
            return names
        if 'error' in line:
            raise RuntimeError(f'{", ".join(modules)}: {line["error"]}')
    raise RuntimeError(f'{", ".join(modules)}: the tests could not be listed')


def run(
    suite: Suite, tests: Mapping[str, list[str]], jobs: int, on_tfd: bool = True,
) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    """Run tests, by module; return what came of each, and ``{who: the modules that it answered}``.

    :param on_tfd: False runs them on TaskFlow itself, to compare with.
    """
    outcomes: dict[str, Outcome] = {}
    answered: dict[str, set[str]] = {}
    for some, names in _each(
        _groups(suite, tests), lambda group: _run_modules(suite, group, _names_in(group, tests), on_tfd), jobs,
    ):
        outcomes.update(some)
        for who, modules in names.items():
            answered.setdefault(who, set()).update(modules)
    return outcomes, {who: sorted(modules) for who, modules in answered.items()}


def _names_in(group: list[str], tests: Mapping[str, list[str]]) -> list[str]:
    return [name for module in group for name in tests[module]]


def _run_modules(
    suite: Suite, modules: list[str], tests: list[str], on_tfd: bool
) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    outcomes: dict[str, Outcome] = {}
    answered: dict[str, list[str]] = {}
    left = tests
    while left:
        begun = None
        for line in _work(suite, modules, on_tfd, tests=left):
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


def _work(suite: Suite, modules: list[str], on_tfd: bool, tests: list[str] | None) -> Iterator[dict[str, Any]]:
    orders = {
        'modules': modules, 'prefix': suite.prefix, 'on_tfd': on_tfd, 'wheel': str(suite.wheel.absolute()),
        'helpers': suite.helpers, 'stand_ins': suite.stand_ins, 'tests': tests, 'seconds': suite.seconds,
        'first': suite.first, 'zookeeper': suite.zookeeper}
    # Some tests leave files where they are run.
    with tempfile.TemporaryDirectory(prefix='conformance-', ignore_cleanup_errors=True) as folder:
        if suite.beside is not None:
            pathlib.Path(folder, suite.beside.name).symlink_to(suite.beside)
        with subprocess.Popen(
            [sys.executable, '-m', 'tests.conformance.worker'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=folder, env={**os.environ, 'PYTHONPATH': str(_TREE)},
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(orders))
            process.stdin.close()
            for line in process.stdout:
                yield json.loads(line)


def _each(items: list[Any], function: Callable[[Any], Any], jobs: int) -> list[Any]:
    with futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(function, items))
