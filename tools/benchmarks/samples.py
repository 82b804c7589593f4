# SPDX-License-Identifier: Apache-2.0
"""What is measured and what came of it, without knowing how."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import shapes

__all__ = ['Case', 'Report', 'Row']


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One kind of flow and size, run by one library.

    :ivar library: ``tfd``, ``taskflow``, or ``bare``: an executor, or Python, with no library around it.
    :ivar store: ``memory`` or ``sqlite``.
    """

    library: str
    shape: str
    count: int
    store: str = 'memory'

    @property
    def calls(self) -> int:
        """How many calls of execute and revert a run makes."""
        calls = shapes.CALLS.get(self.shape)
        return calls(self.count) if calls is not None else self.count


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Cases that take turns, so that what else the machine does strikes each alike.

    :ivar rounds: how many turns each has.
    :ivar clock: ``cpu``: the time of the process itself; ``wall`` where several work, or wait.
    :ivar fresh: whether each turn has a process of its own.
    """

    name: str
    cases: tuple[Case, ...]
    rounds: int
    clock: str = 'cpu'
    fresh: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    :ivar rows: those that were, by name.
    :ivar samples: by the row's name and case: what each round found, as seconds by phase, or ``bytes``.
    :ivar missing: by row: what is not installed.
    :ivar about: by library: versions, and the settings of its SQLite connections.
    :ivar others: packages that importing a task brings with it; None where that was not looked at.
    :ivar sync: seconds that writing a page to the folder of the databases and waiting for the disk takes.
    """

    rows: Mapping[str, Row]
    samples: Mapping[tuple[str, Case], Sequence[Mapping[str, float]]]
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    about: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    others: Sequence[str] | None = None
    sync: float = 0.0

    def cases(self) -> Iterator[tuple[Row, Case]]:
        """Yield what was measured, in order."""
        for name, case in self.samples:
            yield self.rows[name], case

    def phase(self, row: str, phase: str) -> str:
        """Return the name of a phase by the row's clock."""
        return f'{phase}_cpu' if self.rows[row].clock == 'cpu' else phase

    def every(self, row: str, case: Case, phase: str = 'run') -> list[float]:
        """Return what a task, or a call of one, took in each round, in microseconds; or its bytes."""
        if phase == 'bytes':
            return [sample[phase] / case.count for sample in self.samples[row, case]]
        per = case.count if phase == 'build' else case.calls
        name = self.phase(row, phase)
        return [sample[name] * 1e6 / per for sample in self.samples[row, case]]

    def median(self, row: str, case: Case, phase: str = 'run') -> float:
        """Return the median over the rounds."""
        return statistics.median(self.every(row, case, phase))

    def ratio(self, row: str, case: Case, to: Case, phase: str = 'run') -> float:
        """Return what one case takes in terms of another: the median of the rounds, each taken by itself."""
        pairs = zip(self.every(row, case, phase), self.every(row, to, phase), strict=False)
        return statistics.median(one / other for one, other in pairs)
