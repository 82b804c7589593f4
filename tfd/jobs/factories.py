# SPDX-License-Identifier: Apache-2.0
"""Flow factories, by the name that a job gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfd import exceptions, flow, plugins

__all__ = ['GROUP', 'BadFactory', 'FlowFactories']

#: The entry-point group of flow factories: callables without arguments that return a new flow.
GROUP = 'tfd.flows'


class BadFactory(exceptions.JobFailure):
    """A flow factory is installed and does not give a flow.

    :ivar name: the name by which it was asked for.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f'flow factory {name!r} {why}')
        self.name = name


class FlowFactories:
    """Makes flows by the names of their factories.

    :param allow_import_paths: prefixes, of whole components, of dotted paths that may be imported
        where no entry point has the name. What such a path leads to must be defined below one of
        them, so that ``pkg.flows.os.system`` is not reached through ``pkg.flows``.
    """

    def __init__(self, allow_import_paths: Sequence[str] = ()) -> None:
        self._prefixes = tuple(prefix.strip().rstrip('.') for prefix in allow_import_paths)
        self._found: dict[str, Callable[[], object]] = {}

    def names(self) -> list[str]:
        """Return the names of the factories that are installed as entry points."""
        return plugins.names(GROUP)

    def make(self, name: str) -> flow.Flow:
        """Return a new flow.

        :raises UnknownFlow: no factory has that name.
        :raises BadFactory: it cannot be imported, raises, or returns something else; what it raised
            is the cause.
        """
        factory = self._found.get(name)
        if factory is None:
            # Reading the entry points takes milliseconds.
            factory = self._found[name] = self._find(name)
        try:
            made = factory()
        except (Exception, SystemExit) as err:
            raise BadFactory(name, f'raised {_brief(err)}') from err
        if not isinstance(made, flow.Flow):
            raise BadFactory(name, f'returned a {type(made).__name__}, which is not a flow')
        return made

    def _find(self, name: str) -> Callable[[], object]:
        if name not in self.names() and self._allows(name):
            return self._imported(name)
        try:
            factory: Callable[[], object] = plugins.load(GROUP, name)
        except exceptions.UnknownPlugin as err:
            raise exceptions.UnknownFlow(name, err.known) from None
        except (Exception, SystemExit) as err:
            raise BadFactory(name, f'cannot be imported: {_brief(err)}') from err
        if not callable(factory):
            raise BadFactory(name, f'is a {type(factory).__name__}, which cannot be called')
        return factory

    def _allows(self, path: str | None) -> bool:
        return any(f'{path}.'.startswith(f'{prefix}.') for prefix in self._prefixes)

    def _imported(self, path: str) -> Callable[[], object]:
        try:
            found: object = plugins.resolve(path.replace(':', '.'))
        except (Exception, SystemExit) as err:
            raise BadFactory(path, f'cannot be imported: {_brief(err)}') from err
        if not callable(found) or not self._allows(getattr(found, '__module__', None)):
            raise BadFactory(path, 'is not a callable defined below [conductor] allow_import_paths')
        return found


def _brief(err: BaseException) -> str:
    return f'{type(err).__name__}: {err}'
