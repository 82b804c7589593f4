# SPDX-License-Identifier: Apache-2.0
"""The tests of services that use TaskFlow, run on it and on tfd: what passes there must pass here.

``python -m tests.conformance.services packages NAME`` prints what has to be installed for a service, and ``… run NAME``
runs its tests; see tools/conformance.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import pathlib
import sys
import tomllib
from collections.abc import Iterator, Mapping

from tests.conformance import exclusions, report, running
from tests.conformance.running import Outcome

__all__ = ['Service', 'as_text', 'read', 'worse']

_DATA = pathlib.Path(__file__).with_name('services.toml')


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service.

    :ivar install: what pip is told to install.
    :ivar tests: the name of the package of its tests.
    :ivar modules: patterns of modules below that package.
    :ivar first: modules that some of them rely on and do not import.
    :ivar left_out: ``{pattern of tests: why}``.
    """

    install: tuple[str, ...]
    tests: str
    modules: tuple[str, ...]
    first: tuple[str, ...]
    left_out: dict[str, str]


def read(place: pathlib.Path) -> dict[str, Service]:
    """Return what the data file says, by name."""
    data = tomllib.loads(place.read_text(encoding='utf-8'))
    return {
        name: Service(
            tuple(entry['install']), entry['tests'], tuple(entry['modules']), tuple(entry.get('first', ())),
            dict(entry.get('left_out', {})))
        for name, entry in data.items()}


def worse(before: Mapping[str, Outcome], after: Mapping[str, Outcome]) -> list[str]:
    """Return the tests that passed before and do not pass after."""
    return [name for name, outcome in before.items()
            if outcome.kind == 'passed' and after.get(name, Outcome('failed', '')).kind != 'passed']


def as_text(
    tests: Mapping[str, list[str]], before: Mapping[str, Outcome], after: Mapping[str, Outcome],
    answered: Mapping[str, list[str]], failures: int,
) -> str:
    """Return the table of what passes on TaskFlow and on tfd by module, after what passes on TaskFlow alone."""
    lines = list(_lost(worse(before, after), after, failures))
    lines.append(f'{"module":60}{"tests":>8}{"TaskFlow":>10}{"tfd":>8}')
    rows = {**tests, 'total': [name for names in tests.values() for name in names]}
    for module, names in rows.items():
        lines.append(f'{module:60}{len(names):8}{_passed(names, before):10}{_passed(names, after):8}')
    for who, modules in sorted(answered.items()):
        lines.append(f'answered by the {who}: {", ".join(modules) or "nothing"}')
    lost = len(worse(before, after))
    lines.append(f'{_passed(before, before)} pass on TaskFlow, {lost} of them not on tfd')
    return '\n'.join(lines)


def _lost(names: list[str], after: Mapping[str, Outcome], failures: int) -> Iterator[str]:
    for name in names:
        outcome = after.get(name, Outcome('failed', 'did not run'))
        said = outcome.text.strip()
        yield f'{outcome.kind}: {name}\n    ' + (said if failures > 1 else report.gist(said))


def _passed(names: Mapping[str, Outcome] | list[str], outcomes: Mapping[str, Outcome]) -> int:
    return sum(name in outcomes and outcomes[name].kind == 'passed' for name in names)


def main() -> int:
    """Do what the arguments say; the status is 0 only if nothing that passes on TaskFlow fails on tfd."""
    options = _options()
    service = read(_DATA)[options.service]
    if options.action == 'packages':
        print(*service.install, sep='\n')
        return 0
    settings = exclusions.read(_DATA.with_name('exclusions.toml'))
    suite = running.Suite(
        _folder('taskflow'), _folder(service.tests), service.tests + '.', settings.helpers, settings.stand_ins,
        options.seconds, service.modules, service.first,
        beside=_folder(service.tests.partition('.')[0]), together=True)
    tests = _expected(service, running.census(suite, options.kept / 'census.json', options.jobs))
    before = _on_taskflow(suite, tests, options.kept / 'on-taskflow.json', options.jobs)
    after, answered = running.run(suite, tests, options.jobs)
    if options.json:
        print(report.as_json(after))
    else:
        print(as_text(tests, before, after, answered, options.failures))
        for pattern, why in service.left_out.items():
            print(f'left out: {pattern}: {why}')
    passed = any(outcome.kind == 'passed' for outcome in before.values())
    return 0 if passed and not worse(before, after) else 1


def _folder(package: str) -> pathlib.Path:
    # Not find_spec() of the whole name, which would import the service.
    top, *below = package.split('.')
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f'No module named {top!r}', name=top)
    return pathlib.Path(spec.submodule_search_locations[0], *below)


def _expected(service: Service, tests: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the tests that are not left out."""
    left_out = [exclusions.Exclusion('later', why, (pattern,)) for pattern, why in service.left_out.items()]
    kept, _ = exclusions.sort_out([name for names in tests.values() for name in names], left_out)
    chosen = set(kept)
    return {module: [name for name in names if name in chosen] for module, names in tests.items()}


def _on_taskflow(
    suite: running.Suite, tests: Mapping[str, list[str]], kept: pathlib.Path, jobs: int
) -> dict[str, Outcome]:
    """Return what comes of the tests on TaskFlow, which is kept: neither it nor the service changes."""
    if kept.exists():
        known = {name: Outcome(*told) for name, told in json.loads(kept.read_text()).items()}
        return {name: known[name] for names in tests.values() for name in names}
    outcomes, _ = running.run(suite, tests, jobs, on_tfd=False)
    kept.write_text(report.as_json(outcomes))
    return outcomes


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='tools/conformance --service')
    parser.add_argument('action', choices=('packages', 'run'))
    parser.add_argument('service', choices=sorted(read(_DATA)))
    parser.add_argument('--kept', type=pathlib.Path, help='the folder of what is kept from one run to the next')
    report.add_options(parser, seconds=60.0)
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
