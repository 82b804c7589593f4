# SPDX-License-Identifier: Apache-2.0
"""Runs a flow of two tasks in worker processes: ``host.py FOLDER``. A SIGTERM lets the tasks end."""

from __future__ import annotations

import os
import pathlib
import signal
import sys

from tfd import engines, task
from tfd.patterns import unordered_flow
from tfd.testing.executors import Gate


class Held(task.Task):
    """Says in which process it is, and waits until it may end."""

    def __init__(self, name: str, gate: Gate, folder: pathlib.Path) -> None:
        super().__init__(name)
        self.gate = gate
        self.folder = folder

    def execute(self) -> None:
        (self.folder / f'{self.name}.new').write_text(str(os.getpid()))
        (self.folder / f'{self.name}.new').rename(self.folder / self.name)
        self.gate.wait()


def main(folder: pathlib.Path) -> None:
    gate = Gate(str(folder / 'gate'))
    signal.signal(signal.SIGTERM, lambda *_: gate.open())
    flow = unordered_flow.Flow('f').add(*(Held(name, gate, folder) for name in 'ab'))
    engine = engines.load(flow, engine='parallel', executor='processes', max_workers=2)
    engine.run()
    print(engine.storage.get_flow_state())


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
