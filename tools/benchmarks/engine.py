# SPDX-License-Identifier: Apache-2.0
"""The benchmark of engines: which rows there are, and how they are measured."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import disk, imports
from benchmarks.bars import FEW, MANY, tfd_case
from benchmarks.samples import Case, Report, Row
from benchmarks.subject import Subject

__all__ = ['ROWS', 'run']

#: After so many seconds a row has had its last round, if it has had one: TaskFlow, or a busy machine.
_LONGEST = 60.0
#: In the place of the large size, for a first look.
_QUICK = 10_000
#: How many tasks the databases are given.
_RECORDED = 100


def _rows() -> Iterator[Row]:
    for shape in ('linear', 'unordered', 'results', 'graph'):
        yield Row(shape, (tfd_case(shape, FEW), tfd_case(shape, MANY)), 7)
    yield Row('reverted', (tfd_case('reverted', FEW), tfd_case('reverted', MANY)), 7)
    for shape in ('linear', 'unordered', 'results', 'graph'):
        yield Row(f'{shape} beside TaskFlow', (tfd_case(shape, FEW), Case('taskflow', shape, FEW)), 3)
    yield Row('structure', tuple(
        tfd_case(shape, FEW) for shape in ('linear', 'retried', 'deep', 'beside', 'decided')), 15)
    yield Row('listener', (tfd_case('linear', FEW), tfd_case('listened', FEW)), 15)
    yield Row('memory', tuple(
        tfd_case(f'memory of {shape}', MANY) for shape in ('linear', 'unordered', 'results', 'graph')), 3, fresh=True)
    yield Row('threads', (tfd_case('threads', 5000), Case('bare', 'threads', 5000)), 9, 'wall')
    yield Row('processes', (tfd_case('processes', 2000), Case('bare', 'processes', 2000)), 5, 'wall')
    yield Row('green', (tfd_case('green', 5000),), 5, 'wall')
    yield Row('import', (tfd_case('import', 1),), 15)
    yield Row('sqlite', (
        tfd_case('linear', _RECORDED, 'sqlite'), Case('taskflow', 'linear', _RECORDED, 'sqlite')), 5, 'wall')


#: All rows, by name.
ROWS: dict[str, Row] = {row.name: row for row in _rows()}


class _Bench:
    """Measures row after row."""

    def __init__(self, pythons: Mapping[str, str], folder: pathlib.Path, quick: bool) -> None:
        self._pythons = {**pythons, 'bare': pythons['tfd']}
        self._folder = folder
        self._quick = quick
        self.rows: dict[str, Row] = {}
        self.samples: dict[tuple[str, Case], list[dict[str, float]]] = {}
        self.missing: dict[str, str] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.others: Sequence[str] | None = None

    def measure(self, row: Row) -> None:
        """Measure one row; say on standard error that it is its turn."""
        print(f'{row.name}: {row.rounds} rounds', file=sys.stderr, flush=True)
        self.rows[row.name] = row
        if row.name == 'import':
            self._measure_imports(row)
        elif row.fresh:
            for _ in self._turns(row):
                for case in row.cases:
                    with contextlib.ExitStack() as stack:
                        self._sample(row, case, self._subject(case, stack))
        else:
            self._measure_flows(row)

    def _turns(self, row: Row) -> Iterator[int]:
        begin = time.monotonic()
        for at in range(1 if self._quick and row.rounds < 7 else row.rounds):
            if at and time.monotonic() - begin > _LONGEST:
                return
            yield at

    def _measure_imports(self, row: Row) -> None:
        case = row.cases[0]
        self.others = imports.others(self._pythons['tfd'])
        for _ in self._turns(row):
            self.samples.setdefault((row.name, case), []).append(imports.seconds(self._pythons['tfd']))

    def _measure_flows(self, row: Row) -> None:
        with contextlib.ExitStack() as stack:
            subjects = {case: self._subject(case, stack) for case in row.cases}
            for subject in subjects.values():
                if subject.about['missing']:
                    self.missing[row.name] = subject.about['missing']
                    return
            for _ in self._turns(row):
                for case, subject in subjects.items():
                    self._sample(row, case, subject)

    def _subject(self, case: Case, stack: contextlib.ExitStack) -> Subject:
        command = [self._pythons[case.library], '-m', 'benchmarks.worker', case.library, case.shape, str(case.count)]
        if case.store == 'sqlite':
            command.append(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
        subject = stack.enter_context(Subject(case.library, command))
        known = self.about.setdefault(case.library, subject.about)
        known['settings'] = known['settings'] or subject.about['settings']
        return subject

    def _sample(self, row: Row, case: Case, subject: Subject) -> None:
        self.samples.setdefault((row.name, case), []).append(subject.measure())


def _smaller(row: Row) -> Row:
    """Return a row whose large size is less so."""
    cases = tuple(tfd_case(case.shape, _QUICK) if case.count == MANY else case for case in row.cases)
    return Row(row.name, cases, row.rounds, row.clock, row.fresh)


def run(pythons: Mapping[str, str], folder: pathlib.Path, only: Sequence[str], quick: bool) -> Report:
    """Measure the rows of these names, all of them if none is given."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = _Bench(pythons, folder, quick)
    for row in ROWS.values():
        if not only or row.name in only:
            bench.measure(_smaller(row) if quick else row)
    return Report(
        bench.rows, bench.samples, bench.missing, bench.about, bench.others, disk.sync_seconds(folder))
