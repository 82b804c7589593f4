# SPDX-License-Identifier: Apache-2.0
"""Runs flows of one kind in one library, and tells what each took.

Started as ``python worker.py LIBRARY SHAPE TASKS [FOLDER]``; with a folder flows are recorded in an SQLite database
there. Writes one line of JSON about itself, then one per line that it reads: ``{"build": seconds, "run": seconds}``.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import pathlib
import platform
import sys
import time
from typing import Any

#: Of the graph: how many tasks have no path between them.
WIDTH = 10
#: Tasks of the flow that is run before anything is measured: what is made once per process is not a flow's cost.
_WARM_UP = 20
_SYNCHRONOUS = {0: 'OFF', 1: 'NORMAL', 2: 'FULL', 3: 'EXTRA'}


class Library:
    """The parts of tfd or TaskFlow that flows are made of, found by the same names in either."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.engines = importlib.import_module(f'{name}.engines')
        self.backends = importlib.import_module(f'{name}.persistence.backends')
        base: Any = importlib.import_module(f'{name}.task').Task

        class Nothing(base):  # type: ignore[misc]
            """A task that does nothing."""

            def execute(self) -> None:
                pass

        self.task = Nothing
        self.flows = {
            shape: importlib.import_module(f'{name}.patterns.{shape}_flow').Flow
            for shape in ('linear', 'unordered', 'graph')}

    def build(self, shape: str, count: int) -> Any:
        """Return a flow of so many tasks. In a graph each has two parents among the ten tasks before its row."""
        tasks = [self.task(f'task-{number}') for number in range(count)]
        flow = self.flows[shape](shape)
        flow.add(*tasks)
        if shape == 'graph':
            for number in range(WIDTH, count):
                row, column = divmod(number, WIDTH)
                above = (row - 1) * WIDTH
                flow.link(tasks[above + column], tasks[number])
                flow.link(tasks[above + (column + 1) % WIDTH], tasks[number])
        return flow

    def backend(self, folder: pathlib.Path) -> Any:
        """Return a backend on a new SQLite database, with the library's own defaults."""
        made = self.backends.fetch({'connection': f'sqlite:///{folder}/{self.name}.sqlite'})
        connection = made.get_connection()
        connection.upgrade()
        connection.close()
        return made


def measure(library: Library, shape: str, count: int, backend: Any) -> dict[str, float]:
    """Make a flow and run it; return the seconds of each."""
    gc.collect()
    begin = time.perf_counter()
    flow = library.build(shape, count)
    built = time.perf_counter()
    engine = library.engines.load(flow, **({} if backend is None else {'backend': backend}))
    engine.run()
    end = time.perf_counter()
    if engine.storage.get_flow_state() != 'SUCCESS':
        raise SystemExit(f'{library.name}: the flow ended {engine.storage.get_flow_state()}')
    return {'build': built - begin, 'run': end - built}


def watch_settings() -> dict[str, str]:
    """Return a dictionary that is filled in once an SQLite connection, with its settings, is given back to its pool."""
    import sqlalchemy.event
    import sqlalchemy.pool
    found: dict[str, str] = {}

    def look(connection: Any, record: Any) -> None:
        if connection is not None and not found:
            cursor = connection.cursor()
            found['journal_mode'] = cursor.execute('PRAGMA journal_mode').fetchone()[0].upper()
            found['synchronous'] = _SYNCHRONOUS[cursor.execute('PRAGMA synchronous').fetchone()[0]]
            cursor.close()

    sqlalchemy.event.listen(sqlalchemy.pool.Pool, 'checkin', look)
    return found


def main() -> None:
    """Answer each line of standard input with one measurement."""
    name, shape, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    library = Library(name)
    backend = None
    settings: dict[str, str] = {}
    if len(sys.argv) > 4:
        settings = watch_settings()
        backend = library.backend(pathlib.Path(sys.argv[4]))
    measure(library, shape, _WARM_UP, backend)
    about = {
        'library': name, 'python': platform.python_version(), 'version': importlib.metadata.version(name),
        'settings': settings}
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(library, shape, count, backend)), flush=True)
    if backend is not None:
        backend.close()


if __name__ == '__main__':
    main()
