# SPDX-License-Identifier: Apache-2.0
"""The benchmark of engines: which flows, how often, and what must come of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.subject import Subject

__all__ = ['Case', 'Report', 'check', 'run']

SHAPES = ('linear', 'unordered', 'graph')
LIBRARIES = ('tfd', 'taskflow')

#: The bars that --check holds tfd to.
TIMES_IN_MEMORY = 100.0
TIMES_ON_SQLITE = 10.0
FLAT_WITHIN = 1.5

#: After so many seconds cases that take turns have had their last one, if each has had one: TaskFlow on a busy machine.
_LONGEST = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One kind of flow, run by one library.

    :ivar store: ``memory`` or ``sqlite``.
    :ivar alone: whether it was measured beside other sizes of the same flow, not beside the other library.
    """

    library: str
    shape: str
    count: int
    store: str = 'memory'
    alone: bool = False

    def of(self, library: str) -> Case:
        """Return the same of another library."""
        return dataclasses.replace(self, library=library)


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    :ivar samples: of each case, the seconds of each round, as ``{'build': …, 'run': …}``.
    :ivar about: by library: versions, and the settings of its SQLite connections.
    :ivar sync: seconds that writing a page to the folder of the databases and waiting for the disk takes.
    """

    samples: Mapping[Case, Sequence[Mapping[str, float]]]
    about: Mapping[str, Mapping[str, Any]]
    sync: float

    def every(self, case: Case, phase: str = 'run') -> list[float]:
        """Return the cost of a task in each round, in microseconds."""
        return [sample[phase] * 1e6 / case.count for sample in self.samples[case]]

    def median(self, case: Case, phase: str = 'run') -> float:
        """Return the median cost of a task, in microseconds."""
        return statistics.median(self.every(case, phase))

    def times(self, case: Case) -> float:
        """Return how many times as fast as TaskFlow tfd is."""
        return self.median(case.of('taskflow')) / self.median(case.of('tfd'))

    def growth(self, shape: str, few: int, many: int) -> float:
        """Return what a task of tfd costs among many, in terms of what it costs among few."""
        return (self.median(Case('tfd', shape, many, alone=True))
                / self.median(Case('tfd', shape, few, alone=True)))


def _groups(full: bool, quick: bool) -> Iterator[tuple[list[Case], int]]:
    """Yield the cases that take turns, and how many turns."""
    pairs = [(shape, count, 'memory', rounds) for count, rounds in ((100, 7), (1000, 3)) for shape in SHAPES]
    for shape, count, store, rounds in [*pairs, ('linear', 100, 'sqlite', 5)]:
        yield [Case(library, shape, count, store) for library in LIBRARIES], 1 if quick else rounds
    for shape in SHAPES:
        sizes = (1000, 10_000, 100_000) if full else (1000, 10_000)
        yield [Case('tfd', shape, count, alone=True) for count in sizes], 3 if quick else 7


def run(pythons: Mapping[str, str], folder: pathlib.Path, full: bool, quick: bool) -> Report:
    """Measure everything; says on standard error how far it is."""
    samples: dict[Case, list[dict[str, float]]] = {}
    about: dict[str, dict[str, Any]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for cases, rounds in _groups(full, quick):
        said = ' and '.join(f'{case.library} with {case.count:,} tasks' for case in cases)
        print(f'{cases[0].shape}, {cases[0].store}: {said}', file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as data, contextlib.ExitStack() as stack:
            subjects = {}
            for case in cases:
                where = data if case.store == 'sqlite' else None
                subject = stack.enter_context(
                    Subject(pythons[case.library], case.library, case.shape, case.count, where))
                subjects[case] = subject
                known = about.setdefault(case.library, subject.about)
                known['settings'] = known['settings'] or subject.about['settings']
            begin = time.monotonic()
            for at in range(rounds):
                if at and time.monotonic() - begin > _LONGEST:
                    break
                for case, subject in subjects.items():
                    samples.setdefault(case, []).append(subject.measure())
    return Report(samples, about, _sync(folder))


def _sync(folder: pathlib.Path) -> float:
    page = bytes(4096)
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(51):
            begin = time.perf_counter()
            os.pwrite(file.fileno(), page, 0)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def check(report: Report) -> list[str]:
    """Return the bars that were missed, each with what was measured."""
    missed = []
    for what, case, bar in (
        ('in memory', Case('tfd', 'linear', 1000), TIMES_IN_MEMORY),
        ('on SQLite', Case('tfd', 'linear', 100, 'sqlite'), TIMES_ON_SQLITE),
    ):
        found = report.times(case)
        if found < bar:
            missed.append(
                f'{case.count:,} tasks in a row {what}: {found:.1f} times as fast as TaskFlow, {bar:.0f} are asked for')
    for shape in SHAPES:
        growth = report.growth(shape, 1000, 10_000)
        if growth > FLAT_WITHIN:
            missed.append(
                f'{shape}: a task among 10,000 costs {growth:.2f} times what it costs among 1,000,'
                f' {FLAT_WITHIN} are allowed')
    return missed
