# SPDX-License-Identifier: Apache-2.0
"""What an oracle's report looks like as text."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle import oracle, partings, rules
from tests.reference.against_taskflow import short

__all__ = ['as_text']

_MOST_LINES = 12


def as_text(report: oracle.Report) -> str:
    """Return counts, known differences that were met, and what is wrong."""
    return '\n'.join(_lines(report))


def _lines(report: oracle.Report) -> Iterator[str]:
    yield f'{report.flows} flows, {report.calls} calls'
    for end, count in sorted(report.ends.items()):
        yield f'{count:8}  {end}'
    yield 'known differences, and the decision that says so:'
    known = {one.name: one.decision for one in rules.RULES} | {one.name: one.decision for one in partings.PARTINGS}
    for name, decision in known.items():
        yield f'{report.met[name]:8}  {name} ({decision})'
    for finding in report.findings:
        yield f'seed {finding.seed}, {finding.kind}, differs:'
        yield from (f'    {line}' for line in finding.wrong[:_MOST_LINES])
        yield f'  shows in {short(finding.smallest)}:'
        yield from (f'    {line}' for line in finding.smallest_wrong[:_MOST_LINES])
    yield f'{len(report.findings)} differ'
