# SPDX-License-Identifier: Apache-2.0
"""The tests that are left out, each with its reason; see ``exclusions.toml``."""

from __future__ import annotations

import dataclasses
import fnmatch
import pathlib
import tomllib
from collections.abc import Iterable

__all__ = ['Exclusion', 'Settings', 'read', 'sort_out']


@dataclasses.dataclass(frozen=True, slots=True)
class Exclusion:
    """Some tests that are left out.

    :ivar kind: what kind of reason it is, one of the kinds that the file explains.
    :ivar tests: patterns of test names.
    """

    kind: str
    reason: str
    tests: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The data file.

    :ivar kinds: ``{kind: what it means}``.
    :ivar helpers, stand_ins: see :class:`tests.conformance.names.Rules`.
    """

    kinds: dict[str, str]
    helpers: tuple[str, ...]
    stand_ins: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]


def read(place: pathlib.Path) -> Settings:
    """Return what the data file says.

    :raises ValueError: an exclusion has no reason, no test, or a kind that the file does not explain.
    """
    data = tomllib.loads(place.read_text(encoding='utf-8'))
    kinds = dict(data['kinds'])
    exclusions = tuple(
        Exclusion(entry['kind'], entry['reason'], tuple(entry['tests'])) for entry in data['exclude'])
    for one in exclusions:
        if one.kind not in kinds:
            raise ValueError(f'{place.name}: the kind {one.kind!r} of {one.tests} is none of {sorted(kinds)}')
        if not one.reason or not one.tests:
            raise ValueError(f'{place.name}: an exclusion needs a reason and tests, found {one}')
    return Settings(kinds, tuple(data['helpers']), tuple(data['stand_ins']), exclusions)


def sort_out(tests: Iterable[str], exclusions: Iterable[Exclusion]) -> tuple[list[str], dict[str, Exclusion]]:
    """Part tests into those to run and ``{excluded: why}``; the first exclusion that matches counts.

    :raises ValueError: a pattern matches no test, or no test that an earlier one has not taken.
    """
    expected = list(tests)
    excluded: dict[str, Exclusion] = {}
    for one in exclusions:
        for pattern in one.tests:
            matched = [name for name in expected if fnmatch.fnmatchcase(name, pattern)]
            if not matched:
                raise ValueError(f'the exclusion {pattern!r} ({one.reason}) matches no test')
            excluded.update((name, one) for name in matched)
            expected = [name for name in expected if name not in excluded]
    return expected, excluded
