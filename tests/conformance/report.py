# SPDX-License-Identifier: Apache-2.0
"""Puts what came of the tests into words."""

from __future__ import annotations

import argparse
import collections
import json
from collections.abc import Iterator, Mapping

from tests.conformance.exclusions import Exclusion
from tests.conformance.running import Outcome

__all__ = ['add_options', 'as_json', 'as_text', 'gist']

#: The tests themselves, which the wheel answers.
_TESTS = ('taskflow.tests.unit', 'taskflow.tests')


def add_options(parser: argparse.ArgumentParser, seconds: float) -> None:
    """Add the options of every command that runs tests.

    :param seconds: how long a test may take where nothing is said.
    """
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--seconds', type=float, default=seconds)
    parser.add_argument('--failures', action='count', default=0)
    parser.add_argument('--json', action='store_true')


def as_json(outcomes: Mapping[str, Outcome]) -> str:
    """Return what came of each test, by name."""
    return json.dumps({name: [outcome.kind, outcome.text] for name, outcome in outcomes.items()}, indent=1)


def as_text(
    tests: Mapping[str, list[str]], outcomes: Mapping[str, Outcome], excluded: Mapping[str, Exclusion],
    kinds: Mapping[str, str], answered: Mapping[str, list[str]], failures: int,
) -> str:
    """Return the table of passed of expected by module, with its total last.

    :param failures: 0 to count what did not pass, 1 to name it with the last line that it said, 2 with all of it.
    """
    lines = [*_failed(outcomes, failures), f'{"module":44}{"passed":>8}{"expected":>10}{"excluded":>10}']
    for module, names in tests.items():
        lines.append(_row(module, names, outcomes, excluded))
    everything = [name for names in tests.values() for name in names]
    lines += ['', 'excluded, by kind:']
    counted = collections.Counter(one.kind for one in excluded.values())
    lines += [f'{counted[kind]:6}  {kind}: {meaning}' for kind, meaning in kinds.items()]
    for who, modules in sorted(answered.items()):
        named = [module for module in modules if module not in _TESTS and not module.startswith(_TESTS[0] + '.')]
        lines += ['', f'answered by the {who}: {", ".join(named) or "nothing"}']
    passed = sum(outcome.kind == 'passed' for outcome in outcomes.values())
    share = 100 * passed / len(outcomes) if outcomes else 0
    lines += ['', _row('total', everything, outcomes, excluded),
              f'{passed} of {len(outcomes)} expected passed ({share:.2f} %), {len(excluded)} excluded']
    return '\n'.join(lines)


def _row(
    title: str, names: list[str], outcomes: Mapping[str, Outcome], excluded: Mapping[str, Exclusion]
) -> str:
    ran = [outcomes[name] for name in names if name in outcomes]
    passed = sum(outcome.kind == 'passed' for outcome in ran)
    return f'{title:44}{passed:8}{len(ran):10}{sum(name in excluded for name in names):10}'


def _failed(outcomes: Mapping[str, Outcome], failures: int) -> Iterator[str]:
    if not failures:
        return
    for name, outcome in outcomes.items():
        if outcome.kind != 'passed':
            said = outcome.text.strip()
            yield f'{outcome.kind}: {name}\n    ' + (said if failures > 1 else gist(said))
    yield ''


def gist(text: str) -> str:
    """Return the line that says most: the last that begins at the margin."""
    lines = [line for line in text.splitlines() if line and not line.startswith((' ', '-', '}'))]
    return lines[-1] if lines else text
