# SPDX-License-Identifier: Apache-2.0
"""Answers the name ``taskflow``, in a process that imports it, with tfd.

``taskflow.X`` is the very module ``tfd.X`` where tfd has one. What tfd has not is answered by the wheel where it is
named as a helper, by a module of stand-ins where it is named as something that comes later, and is not found else.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
import importlib.machinery
import importlib.util
import pathlib
import sys
import types
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ['Finder', 'Rules', 'StandIn', 'answer']

_NAME = 'taskflow'


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """Who answers for the modules that tfd has not.

    :ivar wheel: the folder of the wheel's package.
    :ivar tfd: the name of the package that answers.
    :ivar helpers: patterns of module names that the wheel answers, such as ``taskflow.utils*``.
    :ivar stand_ins: patterns of module names whose attributes are empty classes.
    """

    wheel: pathlib.Path
    tfd: str = 'tfd'
    helpers: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()


class _Anything(type):

    def __getattr__(cls, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        return StandIn


class StandIn(metaclass=_Anything):
    """Base of the classes that stand for what comes later: they can be named and subclassed, and do nothing."""


class Finder:
    """A finder of modules by the name ``taskflow``.

    :ivar answered: the names answered by the wheel, and by stand-ins, so far.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._asked_by_us = False
        self.answered: dict[str, list[str]] = {'wheel': [], 'stand-in': []}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Return who answers for a module.

        :raises ModuleNotFoundError: it is a module of TaskFlow, and nobody does.
        """
        if name.startswith(self._rules.tfd + '.'):
            return self._from_package(name)
        if name != _NAME and not name.startswith(_NAME + '.'):
            return None
        same = self._rules.tfd + name.removeprefix(_NAME)
        if self._exists(same):
            return importlib.machinery.ModuleSpec(name, _Alias(same))
        if _matches(name, self._rules.helpers):
            spec = self._of_wheel(name)
            if spec is not None:
                self.answered['wheel'].append(name)
                return spec
        if _matches(name, self._rules.stand_ins):
            self.answered['stand-in'].append(name)
            return importlib.machinery.ModuleSpec(name, _StandInLoader(), is_package=True)
        raise ModuleNotFoundError(f'No module named {same!r}, which {name!r} stands for', name=name)

    def _from_package(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """Answer ``from taskflow.types import latch``, which asks for a module of the package that answered."""
        if self._asked_by_us:
            return None
        same = _NAME + name.removeprefix(self._rules.tfd)
        if _matches(same, (*self._rules.helpers, *self._rules.stand_ins)) and not self._exists(name):
            return importlib.machinery.ModuleSpec(name, _Alias(same))
        return None

    def _exists(self, name: str) -> bool:
        asked, self._asked_by_us = self._asked_by_us, True
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            return False
        finally:
            self._asked_by_us = asked

    def _of_wheel(self, name: str) -> importlib.machinery.ModuleSpec | None:
        place = self._rules.wheel.joinpath(*name.split('.')[1:])
        package = place / '__init__.py'
        if package.exists():
            return importlib.util.spec_from_file_location(name, package, submodule_search_locations=[str(place)])
        module = place.with_suffix('.py')
        return importlib.util.spec_from_file_location(name, module) if module.exists() else None


class _Alias:
    """Loads the module of another name, and leaves it as it is."""

    def __init__(self, same: str) -> None:
        self._same = same
        self._spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(self._same)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        # The import system has given it the spec of its second name.
        module.__spec__ = self._spec


class _StandInLoader:
    """Makes modules of stand-ins."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


class _StandInModule(types.ModuleType):

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        if name.islower():
            # As modules are named, and classes are not.
            return importlib.import_module(f'{self.__name__}.{name}')
        made = _Anything(name, (StandIn,), {'__module__': self.__name__})
        setattr(self, name, made)
        return made


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def answer(rules: Rules) -> Finder:
    """Answer by these rules from now on, in this process; return the finder, which knows what it answered."""
    finder = Finder(rules)
    sys.meta_path.insert(0, finder)
    return finder
