# SPDX-License-Identifier: Apache-2.0
"""Plays specs on TaskFlow and on tfd and judges what came of it."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable
from concurrent import futures

from tests.oracle import comparing, follow, play, pool
from tests.property import shrink
from tests.reference.spec import Spec

__all__ = ['Finding', 'Report', 'judge', 'run']

#: So often a spec is played on TaskFlow where its luck decides.
_MOST_RUNS = 4

_Plays = Callable[[Spec, str, play.Trace], play.Trace]


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A spec that the two do not agree on, and how little of it shows that."""

    seed: int
    kind: str
    wrong: tuple[str, ...]
    smallest: Spec
    smallest_wrong: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Report:
    """What came of many specs: how they ended, which rules were met how often, and what is wrong."""

    flows: int = 0
    calls: int = 0
    ends: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    met: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    findings: list[Finding] = dataclasses.field(default_factory=list)


def _follow(spec: Spec, kind: str, theirs: play.Trace) -> play.Trace:
    return follow.Follower(spec, kind, theirs).play()


def judge(spec: Spec, kind: str, workers: pool.Pool, theirs: play.Trace, plays: _Plays = _follow) -> comparing.Verdict:
    """Compare a run of TaskFlow's with tfd's; again, with other runs of TaskFlow's, where its luck decides."""
    verdict = comparing.compare(spec, kind, theirs, plays(spec, kind, theirs))
    for _ in range(_MOST_RUNS - 1):
        if not verdict.luck:
            break
        theirs = workers.play(spec, kind)
        other = comparing.compare(spec, kind, theirs, plays(spec, kind, theirs))
        if other.wrong or not other.luck:
            return other
    return verdict


def run(
    orders: Iterable[tuple[int, Spec, str]], workers: pool.Pool, most_findings: int = 3, plays: _Plays = _follow,
) -> Report:
    """Judge ``(seed, spec, kind of engine)`` until there are that many findings, each made as small as it goes."""
    report = Report()
    waiting: collections.deque[tuple[int, Spec, str]] = collections.deque()

    def specs() -> Iterable[tuple[Spec, str]]:
        for order in orders:
            waiting.append(order)
            yield order[1:]

    for future in workers.play_all(specs()):
        seed, spec, kind = waiting.popleft()
        _take(report, seed, spec, kind, workers, future, plays)
        if len(report.findings) >= most_findings:
            break
    return report


def _take(
    report: Report, seed: int, spec: Spec, kind: str, workers: pool.Pool, future: futures.Future[play.Trace],
    plays: _Plays,
) -> None:
    try:
        theirs = future.result()
        verdict = judge(spec, kind, workers, theirs, plays)
    except pool.WorkerFailed as failed:
        report.findings.append(Finding(seed, kind, (str(failed),), spec, ()))
        return
    report.flows += 1
    report.calls += sum(entry[0] == 'call' for entry in theirs['entries'])
    report.ends[f'{kind}, {verdict.end}'] += 1
    report.met.update(verdict.met)
    if verdict.wrong:
        report.findings.append(_smallest(seed, spec, kind, verdict.wrong, workers, plays))


def _smallest(
    seed: int, spec: Spec, kind: str, wrong: tuple[str, ...], workers: pool.Pool, plays: _Plays,
) -> Finding:
    # What TaskFlow's luck decides may not be seen again when all is done: so it is kept.
    shown = wrong

    def fails(candidate: Spec) -> bool:
        nonlocal shown
        try:
            found = judge(candidate, kind, workers, workers.play(candidate, kind), plays).wrong
        except pool.WorkerFailed:
            return False
        shown = found or shown
        return bool(found)

    return Finding(seed, kind, wrong, shrink.shrink(spec, fails), shown)
