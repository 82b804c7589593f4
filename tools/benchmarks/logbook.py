# SPDX-License-Identifier: Apache-2.0
"""How fast flows are recorded: SQLAlchemy Core, tfd, TaskFlow and DBOS in turn, on one server of each kind.

Called by tools/bench, which makes the environments and explains the options.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from benchmarks import disk
from benchmarks.logbook_report import as_text
from benchmarks.subject import Subject
from tests.functional.servers.mariadb import MariaDB
from tests.functional.servers.postgresql import PostgreSQL

__all__ = ['BARS', 'Bar', 'Report', 'main']

_ROUNDS, _QUICK = 5, 2
_SERIAL, _SLOW, _MANY, _LOAD = 200, 20, 50, 10_000
_KINDS = ('sqlite', 'mariadb', 'postgresql')
_WORKER = str(pathlib.Path(__file__).with_name('logbook_worker.py'))
_DATA = pathlib.Path('build', 'bench', 'data').absolute()


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must come to: at least ``least`` times that of another library, or at most ``most``."""

    kind: str
    figure: str
    beside: str
    least: float = 0.0
    most: float = 0.0


BARS = (
    *(Bar(kind, 'serial', 'core', least=0.6) for kind in _KINDS),
    Bar('sqlite', 'many', 'core', least=1.6), Bar('mariadb', 'many', 'core', least=3.0),
    Bar('postgresql', 'many', 'core', least=3.0),
    Bar('sqlite', 'serial', 'taskflow', least=60.0), Bar('mariadb', 'serial', 'taskflow', least=30.0),
    Bar('postgresql', 'serial', 'taskflow', least=60.0),
    Bar('sqlite', 'serial', 'dbos', least=3.0), Bar('postgresql', 'serial', 'dbos', least=3.0),
    *(Bar(kind, 'load', '', most=0.5) for kind in _KINDS),
    *(Bar(kind, 'statements', '', most=10) for kind in _KINDS),
)


@dataclasses.dataclass(slots=True)
class Report:
    """All figures, by kind of database, library and what was measured: one per round."""

    figures: dict[tuple[str, str, str], list[float]] = dataclasses.field(default_factory=dict)
    about: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    syncs: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(self, kind: str, library: str, figure: str, value: float) -> None:
        """Take down a figure of one round."""
        self.figures.setdefault((kind, library, figure), []).append(value)

    def median(self, kind: str, library: str, figure: str) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.figures[kind, library, figure])

    def found(self, bar: Bar) -> float | None:
        """Return what a bar is about: the median, over the rounds, of the ratio, or of the figure."""
        mine = self.figures.get((bar.kind, 'tfd', bar.figure))
        if mine is None or not bar.beside:
            return None if mine is None else statistics.median(mine)
        others = self.figures.get((bar.kind, bar.beside, 'serial'))
        if others is None:
            return None
        return statistics.median(one / other for one, other in zip(mine, others, strict=True))

    def missed(self, bar: Bar) -> bool:
        """Tell whether a bar was measured and not reached."""
        found = self.found(bar)
        return found is not None and (found < bar.least or bool(bar.most) and found > bar.most)


@contextlib.contextmanager
def _databases(kind: str) -> Iterator[Any]:
    """Give a function that makes an empty database for a library and returns its URL; all are on one server."""
    if kind == 'sqlite':
        with tempfile.TemporaryDirectory(dir=_DATA) as place:
            yield lambda library: f'sqlite:///{place}/{library}.sqlite'
        return
    server: Any = (MariaDB if kind == 'mariadb' else PostgreSQL)(fsync=True)
    server.start()
    try:
        engine = sa.create_engine(server.address, isolation_level='AUTOCOMMIT', poolclass=sa.NullPool)

        def make(library: str) -> str:
            with engine.connect() as connection:
                connection.exec_driver_sql(f'CREATE DATABASE bench_{library}')
            url = sa.make_url(server.address).set(database=f'bench_{library}')
            return url.render_as_string(hide_password=False)

        yield make
    finally:
        server.destroy()


def measure(report: Report, kind: str, pythons: Mapping[str, str], rounds: int) -> None:
    """Measure all libraries on one kind of database, in turn, round by round."""
    libraries = [name for name in ('core', 'tfd', 'taskflow', 'dbos') if name != 'dbos' or kind != 'mariadb']
    with contextlib.ExitStack() as stack:
        make = stack.enter_context(_databases(kind))
        subjects = {
            name: stack.enter_context(Subject(name, [pythons[name], _WORKER, name, make(name)])) for name in libraries}
        for name, subject in subjects.items():
            report.about[name] = subject.about
        for _ in range(rounds):
            for name, subject in subjects.items():
                tasks = _SLOW if name == 'taskflow' else _SERIAL
                report.add(kind, name, 'serial', subject.measure(f'serial {tasks}')['rate'])
            report.add(kind, 'tfd', 'many', subjects['tfd'].measure(f'many {_MANY}')['rate'])
            loaded = subjects['tfd'].measure(f'load {_LOAD}')
            report.add(kind, 'tfd', 'load', loaded['seconds'])
            report.add(kind, 'tfd', 'statements', loaded['statements'])
    report.syncs[kind] = disk.sync_seconds(_DATA)


def _as_json(report: Report, missed: Sequence[Bar]) -> str:
    return json.dumps({
        'libraries': report.about, 'sync': report.syncs, 'missed': [dataclasses.asdict(bar) for bar in missed],
        'figures': [
            {'database': kind, 'library': library, 'figure': figure, 'rounds': values}
            for (kind, library, figure), values in report.figures.items()]}, indent=2)


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(prog='tools/bench logbook')
    for name in ('tfd', 'taskflow', 'dbos'):
        parser.add_argument(f'--{name}', required=True, help=f'the Python that has {name}')
    for flag in ('--check', '--quick', '--json'):
        parser.add_argument(flag, action='store_true')
    parser.add_argument('--only', action='append', choices=_KINDS)
    args = parser.parse_args()
    pythons = {'core': args.tfd, 'tfd': args.tfd, 'taskflow': args.taskflow, 'dbos': args.dbos}
    _DATA.mkdir(parents=True, exist_ok=True)
    report = Report()
    for kind in args.only or _KINDS:
        measure(report, kind, pythons, _QUICK if args.quick else _ROUNDS)
    missed = [bar for bar in BARS if report.missed(bar)]
    print(_as_json(report, missed) if args.json else as_text(report, BARS))
    return 1 if args.check and missed else 0


if __name__ == '__main__':
    sys.exit(main())
