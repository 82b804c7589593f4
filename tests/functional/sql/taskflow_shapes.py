# SPDX-License-Identifier: Apache-2.0
"""Flows that TaskFlow begins and tfd goes on with: the same code for both, told which of them to import.

Run by a Python that has TaskFlow, it suspends each flow after some steps, and writes what it left to a database, and
what it comes to when TaskFlow itself goes on to standard output::

    python taskflow_shapes.py FOLDER
"""

from __future__ import annotations

import importlib
import json
import pathlib
import shutil
import sys
from typing import Any

__all__ = ['FLOW', 'outcome', 'shapes']

FLOW = '0f1e2d3c-0000-4000-8000-00000000abcd'
_STEPS = (12, 15, 18, 24)


def shapes(library: str, tried: dict[str, int]) -> dict[str, Any]:
    """Return factories of flows by name.

    :param tried: counts, by name, how often a task was tried; it is kept when a flow is suspended.
    """
    task, retry, linear = (importlib.import_module(f'{library}.{name}') for name in (
        'task', 'retry', 'patterns.linear_flow'))

    class Step(task.Task):  # type: ignore[name-defined,misc]
        def execute(self) -> str:
            return f'{self.name}!'

        def revert(self, result: Any, **_: Any) -> str:
            return f'undone {self.name}'

    class Failing(task.Task):  # type: ignore[name-defined,misc]
        failures = 1

        def execute(self) -> str:
            tried[self.name] = tried.get(self.name, 0) + 1
            if tried[self.name] <= self.failures:
                raise ValueError('no')
            return 'ok'

    class Hopeless(Failing):
        failures = 99

    def around(controller: Any, bad: Any) -> Any:
        inner = linear.Flow('inner', retry=controller).add(Step('a'), bad, Step('c'))
        return linear.Flow('outer').add(Step('o'), inner, Step('z'))

    return {
        'plain': lambda: linear.Flow('plain').add(Step('a'), Step('b'), Hopeless('c'), Step('d')),
        'overcome': lambda: around(retry.Times(3, 'r'), Failing('b')),
        'given up': lambda: around(retry.Times(2, 'r'), Hopeless('b')),
        'all reverted': lambda: around(retry.Times(2, 'r', revert_all=True), Hopeless('b')),
        'each': lambda: around(retry.ForEach([1, 2, 3], 'r', provides='v'), Failing('b')),
    }


def _suspend(engine: Any, after: int) -> None:
    steps = engine.run_iter()
    try:
        next(steps)
        for number in range(1, 1000):
            steps.send(True if number == after else None)
    except (StopIteration, ValueError):
        pass


def outcome(engine: Any, connection: Any) -> dict[str, Any]:
    """Run a flow to its end; return the states of it and of its atoms."""
    try:
        engine.run()
    except Exception as err:
        del err
    return {
        'flow': engine.storage.get_flow_state(),
        'atoms': {atom.name: atom.state for atom in connection.get_atoms_for_flow(FLOW)}}


def _main(folder: pathlib.Path) -> dict[str, Any]:
    from taskflow import engines
    from taskflow.persistence import backends, models
    found: dict[str, Any] = {}
    tried: dict[str, int] = {}
    for name, make in shapes('taskflow', tried).items():
        for after in _STEPS:
            tried.clear()
            file = folder / f'{name}-{after}.sqlite'
            backend = backends.fetch({'connection': f'sqlite:///{file}'})
            connection = backend.get_connection()
            connection.upgrade()
            book, detail = models.LogBook('book'), models.FlowDetail('f', FLOW)
            book.add(detail)
            connection.save_logbook(book)
            engine = engines.load(make(), flow_detail=detail, book=book, backend=backend)
            _suspend(engine, after)
            if engine.storage.get_flow_state() != 'SUSPENDED':
                break
            so_far = dict(tried)
            shutil.copy(file, folder / 'copy.sqlite')
            copy = backends.fetch({'connection': f'sqlite:///{folder}/copy.sqlite'})
            connection = copy.get_connection()
            engine = engines.load(make(), flow_detail=connection.get_flow_details(FLOW), backend=copy)
            ended = outcome(engine, connection)
            found[file.stem] = {**ended, 'tried so far': so_far, 'tried': dict(tried)}
    return found


if __name__ == '__main__':
    print(json.dumps(_main(pathlib.Path(sys.argv[1]))))
