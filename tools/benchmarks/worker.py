# SPDX-License-Identifier: Apache-2.0
"""Measures one case, again and again, in a process of its own.

Started as ``python -m benchmarks.worker LIBRARY SHAPE TASKS [FOLDER]``; with a folder flows are recorded in an SQLite
database there. Writes one line of JSON about itself, then one per line that it reads: the seconds of ``build`` and
``run`` by the wall's clock, and of ``build_cpu`` and ``run_cpu`` by the process's own; or ``bytes``.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import memory, pools, shapes

#: Tasks of the flow that is run before anything is measured: what is made once per process is not a flow's cost.
_WARM_UP = 20
_SYNCHRONOUS = {0: 'OFF', 1: 'NORMAL', 2: 'FULL', 3: 'EXTRA'}
_MEMORY = 'memory of '
_POOLS = ('threads', 'processes', 'green')


class _Clocks:
    """The wall's clock and the process's own, from one moment on."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def read(self, phase: str) -> dict[str, float]:
        """Return the seconds since that moment, and begin anew."""
        now = time.perf_counter(), time.process_time()
        seconds = {phase: now[0] - self._began[0], f'{phase}_cpu': now[1] - self._began[1]}
        self._began = now
        return seconds


def _open_backend(library: shapes.Library, folder: str) -> Any:
    """Return a backend on a new SQLite database, with the library's own defaults."""
    made = library.module('persistence.backends').fetch({'connection': f'sqlite:///{folder}/{library.name}.sqlite'})
    connection = made.get_connection()
    connection.upgrade()
    connection.close()
    return made


def _run_flow(library: shapes.Library, shape: str, backend: Any, count: int) -> dict[str, float]:
    """Make a flow and run it; return the seconds of each."""
    listened = shape == 'listened'
    gc.collect()
    clocks = _Clocks()
    flow = library.make('linear' if listened else shape, count)
    taken = clocks.read('build')
    options = {} if backend is None else {'backend': backend}
    engine = library.engines.load(flow, store=library.inputs, **options)
    if listened:
        library.module('listeners.base').Listener(engine).register()
    try:
        engine.run()
    except ValueError as error:
        if str(error) != shapes.LAST:
            raise
    taken |= clocks.read('run')
    state = engine.storage.get_flow_state()
    if state != ('REVERTED' if shape == 'reverted' else 'SUCCESS'):
        raise SystemExit(f'{library.name}: the flow ended {state}')
    return taken


def _run_pool(library: str, kind: str, count: int) -> dict[str, float]:
    gc.collect()
    clocks = _Clocks()
    run = (pools.tfd_run if library == 'tfd' else pools.bare)(kind, count)
    taken = clocks.read('build')
    run()
    return taken | clocks.read('run')


def _watch_settings(found: dict[str, str]) -> None:
    """Fill in the settings of an SQLite connection once one is given back to its pool."""
    import sqlalchemy.event
    import sqlalchemy.pool

    def look(connection: Any, record: Any) -> None:
        if connection is not None and not found:
            cursor = connection.cursor()
            found['journal_mode'] = cursor.execute('PRAGMA journal_mode').fetchone()[0].upper()
            found['synchronous'] = _SYNCHRONOUS[cursor.execute('PRAGMA synchronous').fetchone()[0]]
            cursor.close()

    sqlalchemy.event.listen(sqlalchemy.pool.Pool, 'checkin', look)


def _prepare(name: str, shape: str, folder: str | None, settings: dict[str, str]) -> Callable[[int], dict[str, float]]:
    """Return what measures a number of tasks."""
    if shape in _POOLS:
        return functools.partial(_run_pool, name, shape)
    library = shapes.Library(name)
    if shape.startswith(_MEMORY):
        return functools.partial(memory.measure, library, shape.removeprefix(_MEMORY))
    backend = None
    if folder is not None:
        _watch_settings(settings)
        backend = _open_backend(library, folder)
    return functools.partial(_run_flow, library, shape, backend)


def main() -> None:
    """Answer each line of standard input with one measurement."""
    name, shape, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    folder = sys.argv[4] if len(sys.argv) > 4 else None
    settings: dict[str, str] = {}
    about: dict[str, Any] = {
        'library': name, 'python': platform.python_version(), 'settings': settings, 'missing': '',
        'version': '' if name == 'bare' else importlib.metadata.version(name)}
    try:
        measure = _prepare(name, shape, folder, settings)
        if not shape.startswith(_MEMORY):
            measure(_WARM_UP)
    except pools.Missing as error:
        about['missing'] = str(error)
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(count)), flush=True)


if __name__ == '__main__':
    main()
