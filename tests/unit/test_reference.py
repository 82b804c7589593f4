# SPDX-License-Identifier: Apache-2.0
"""The reference has what is public, and what is public says what it promises."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import testtools

from tests.pages import pages
from tests.unit.test_aliases import _ALIASES
from tfd_drivers.sql.settings import Settings

_REFERENCE = ''.join(page.text for name, page in pages().items() if name.startswith('reference/'))
_LISTED = re.findall(r'^\.\. automodule:: (\S+)$', _REFERENCE, re.MULTILINE)
#: TaskFlow's documented modules, as far as tfd has them at the same paths.
_DOCUMENTED = (
    'atom', 'conductors.backends', 'conductors.base', 'deciders', 'engines', 'engines.base',
    'exceptions', 'flow', 'formatters',
    'jobs.backends', 'jobs.base', 'listeners.base',
    'listeners.capturing', 'listeners.claims', 'listeners.logging', 'listeners.printing', 'listeners.timing',
    'patterns.graph_flow', 'patterns.linear_flow', 'patterns.unordered_flow', 'persistence.backends',
    'persistence.base', 'persistence.models', 'retry', 'states', 'storage', 'task', 'types.entity', 'types.failure',
    'types.graph', 'types.notifier',
)


def _public(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions that a module calls public, and the methods and properties of such classes."""
    found = importlib.import_module(module)
    for name in found.__all__:
        value = getattr(found, name)
        if not inspect.isclass(value) and not inspect.isfunction(value):
            continue
        yield f'{module}.{name}', value
        for inner, member in vars(value).items() if inspect.isclass(value) else ():
            # The names of tests say what they claim.
            if not inner.startswith(('_', 'test_')) and (callable(member) or isinstance(member, property)):
                yield f'{module}.{name}.{inner}', getattr(value, inner)


class ReferenceTest(testtools.TestCase):

    def test_has_every_documented_module(self) -> None:
        self.assertEqual([], sorted({f'tfd.{name}' for name in _DOCUMENTED} - set(_LISTED)))

    def test_has_each_module_once(self) -> None:
        self.assertEqual(sorted(set(_LISTED)), sorted(_LISTED))

    def test_has_every_module_that_holds_names_of_others(self) -> None:
        for alias in _ALIASES:
            module, name = alias.split(':')
            self.assertRegex(_REFERENCE, rf'``{re.escape(module)}`` .*``{name}``')

    def test_every_public_name_has_a_docstring(self) -> None:
        bare = [name for module in _LISTED for name, value in _public(module) if not inspect.getdoc(value)]
        self.assertEqual([], bare)

    def test_every_module_has_a_docstring(self) -> None:
        self.assertEqual([], [name for name in _LISTED if not importlib.import_module(name).__doc__])

    def test_has_every_option_of_sql_with_its_default(self) -> None:
        page = pages()['reference/persistence.rst'].text
        told = dict(re.findall(r'^``(\w+)`` +([\d.]+(?: MiB)?) ', page, re.MULTILINE))
        defaults = {
            field.name: field.default for field in dataclasses.fields(Settings) if field.name not in ('url', 'sealing')}
        self.assertEqual(
            {name: f'{value >> 20} MiB' if name == 'max_value_bytes' else f'{value:g}'
             for name, value in defaults.items()}, told)
