# SPDX-License-Identifier: Apache-2.0
"""Makes engines for flows, and flows from what was recorded of their factories."""

from __future__ import annotations

import contextlib
import importlib
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_utils import importutils, strutils

from tfd import exceptions, plugins
from tfd.engines import base, parallel, serial
from tfd.persistence import backends, models
from tfd.persistence import base as persistence

__all__ = [
    'ENGINES_NAMESPACE', 'flow_from_detail', 'load', 'load_from_detail', 'load_from_factory', 'run',
    'save_factory_details',
]

ENGINES_NAMESPACE = 'tfd.engines'

_BUILT_IN: dict[str, Callable[..., base.Engine]] = {
    'default': serial.SerialEngine, 'serial': serial.SerialEngine, 'parallel': parallel.ParallelEngine,
}

#: Options that are true or false.
_SWITCHES = frozenset(('defer_reverts', 'never_resolve', 'refuse_changed'))


def load(
    flow: Any, store: Mapping[str, Any] | None = None, flow_detail: models.FlowDetail | None = None,
    book: models.LogBook | None = None, backend: Any = None, namespace: str = ENGINES_NAMESPACE,
    engine: str = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine that will run a flow, or go on with it.

    :param flow: a flow, or a task, which is run as a flow of that name with nothing else in it.
    :param store: the flow's inputs, by symbol.
    :param flow_detail: the record to run under; one of its own is made in the book where there is none.
    :param book: the logbook; one of its own is made where there is a backend and neither a book nor a flow detail.
    :param backend: where to record: a backend, or what :func:`tfd.persistence.backends.fetch` makes one of; the caller
        closes it. None: in memory only.
    :param engine: ``serial``, ``parallel``, or a name of the namespace; may carry options as
        ``parallel://?max_workers=2``.
    :param kwargs: the engine's options; one that it does not know is refused.
    :raises NotFound: no engine of that name is installed.
    :raises ValueError, TypeError: an option is not known or has a value that cannot be used.
    """
    kind, options = _kind_and_options(engine, kwargs)
    factory = _BUILT_IN.get(kind) if namespace == ENGINES_NAMESPACE else None
    if factory is None:
        try:
            factory = plugins.load(namespace, kind)
        except exceptions.UnknownPlugin as err:
            raise exceptions.NotFound(
                f'Could not find engine {kind!r}: {sorted({*_BUILT_IN, *err.known})} are installed') from err
    if backend is not None and not hasattr(backend, 'get_connection'):
        backend = backends.fetch(backend)
    if flow_detail is None:
        flow_detail, book = _new_detail(flow, book, backend)
    assert factory is not None
    made = factory(flow, flow_detail, backend, options, book=book.uuid if book is not None else None)
    if store:
        made.storage.inject(store)
    return made


def _kind_and_options(spec: str, kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if not isinstance(spec, str):
        raise TypeError(f'engine must be a name, not {spec!r} ({type(spec).__name__})')
    options: dict[str, Any] = {}
    if ':' in spec:
        parts = urllib.parse.urlsplit(spec)
        spec, options = parts.scheme, dict(urllib.parse.parse_qsl(parts.query))
        if 'max_workers' in options:
            options['max_workers'] = int(options['max_workers'])
    options.update(kwargs)
    for name in _SWITCHES & options.keys():
        # As text too, from wherever that was read: 'false' is true to bool().
        if isinstance(options[name], str):
            options[name] = strutils.bool_from_string(options[name], strict=True)
    return spec, options


def _new_detail(
    flow: Any, book: models.LogBook | None, backend: persistence.Backend | None
) -> tuple[models.FlowDetail, models.LogBook | None]:
    # What has no name is no flow, as compiling it will tell.
    name = str(getattr(flow, 'name', flow))
    detail = models.FlowDetail(name)
    if book is None and backend is not None:
        book = models.LogBook(name)
    if book is not None:
        book.add(detail)
        if backend is not None:
            # The book and this flow alone: what the caller's copy says of the others may be old.
            alone = book.copy(retain_contents=False)
            alone.add(detail)
            _save_book(backend, alone)
    return detail, book


def _save_book(backend: persistence.Backend, book: models.LogBook) -> None:
    connection = backend.get_connection()
    try:
        connection.save_logbook(book)
    finally:
        connection.close()


def run(
    flow: Any, store: Mapping[str, Any] | None = None, flow_detail: models.FlowDetail | None = None,
    book: models.LogBook | None = None, backend: Any = None, namespace: str = ENGINES_NAMESPACE,
    engine: str = 'default', **kwargs: Any,
) -> dict[str, Any]:
    """Run a flow to its end, and return its inputs and everything that its atoms provided, by symbol.

    Arguments and errors are those of :func:`load` and :meth:`tfd.engines.base.Engine.run`.
    """
    made = load(flow, store=store, flow_detail=flow_detail, book=book, backend=backend, namespace=namespace,
                engine=engine, **kwargs)
    made.run()
    return made.storage.fetch_all()


# -- factories -------------------------------------------------------------------------------------


def _name_of(factory: Any) -> str:
    """Return the import path of a factory.

    :raises ValueError: importing by that path does not lead back to it.
    """
    if isinstance(factory, str):
        return factory
    name = f'{getattr(factory, "__module__", None)}.{getattr(factory, "__qualname__", None)}'
    try:
        same = _import(name) is factory
    except ImportError:
        same = False
    if not same:
        raise ValueError(f'Flow factory {factory!r} is not reimportable by name {name}')
    return name


def _import(name: str) -> Any:
    """Return what a dotted path leads to.

    :raises ImportError: nothing.
    """
    with contextlib.suppress(ImportError, ValueError):
        return importutils.import_class(name)
    # It is inside of a class, or there is more to say than that.
    parts = name.split('.')
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module('.'.join(parts[:cut]))
        except ModuleNotFoundError as err:
            if err.name is not None and ('.'.join(parts[:cut]) + '.').startswith(err.name + '.'):
                continue
            raise
        try:
            for attribute in parts[cut:]:
                found = getattr(found, attribute)
        except AttributeError as err:
            raise ImportError(f'Could not import factory {name!r}: {err}') from err
        return found
    raise ImportError(f'Could not import factory {name!r}: no such module')


def save_factory_details(
    flow_detail: models.FlowDetail, flow_factory: Any, factory_args: Sequence[Any] | None,
    factory_kwargs: Mapping[str, Any] | None, backend: Any = None,
) -> None:
    """Note in the flow detail's metadata how its flow is made, so that :func:`flow_from_detail` can make it again.

    :param flow_factory: a function that can be imported by its name, or that name.
    :param backend: where the flow detail is stored, if it is.
    :raises ValueError: the factory cannot be imported by its name; nothing has changed.
    """
    noted = {
        'name': _name_of(flow_factory), 'args': list(factory_args or ()), 'kwargs': dict(factory_kwargs or {}),
    }
    flow_detail.meta = {**(flow_detail.meta or {}), 'factory': noted}
    if backend is not None:
        if not hasattr(backend, 'get_connection'):
            backend = backends.fetch(backend)
        connection = backend.get_connection()
        try:
            connection.update_flow_details(flow_detail)
        finally:
            connection.close()


def load_from_factory(
    flow_factory: Any, factory_args: Sequence[Any] | None = None, factory_kwargs: Mapping[str, Any] | None = None,
    store: Mapping[str, Any] | None = None, book: models.LogBook | None = None, backend: Any = None,
    namespace: str = ENGINES_NAMESPACE, engine: str = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine for the flow that a factory makes, and note in its record how it is made.

    :raises ValueError: the factory cannot be imported by its name.
    :raises ImportError: there is nothing of that name.
    """
    name = _name_of(flow_factory)
    factory = _import(name) if isinstance(flow_factory, str) else flow_factory
    flow = factory(*(factory_args or ()), **(factory_kwargs or {}))
    if backend is not None and not hasattr(backend, 'get_connection'):
        backend = backends.fetch(backend)
    detail, book = _new_detail(flow, book, backend)
    save_factory_details(detail, flow_factory, factory_args, factory_kwargs, backend=backend)
    return load(flow, store=store, flow_detail=detail, book=book, backend=backend, namespace=namespace,
                engine=engine, **kwargs)


def flow_from_detail(flow_detail: models.FlowDetail) -> Any:
    """Return the flow of a record, made anew by the factory that is noted there.

    :raises ValueError: no factory is noted.
    :raises ImportError: the factory cannot be imported.
    """
    noted = (flow_detail.meta or {}).get('factory')
    if not noted:
        raise ValueError(
            f'Cannot reconstruct flow {flow_detail.name} {flow_detail.uuid}: no factory information saved.')
    return _import(noted['name'])(*(noted.get('args') or ()), **(noted.get('kwargs') or {}))


def load_from_detail(
    flow_detail: models.FlowDetail, store: Mapping[str, Any] | None = None, backend: Any = None,
    namespace: str = ENGINES_NAMESPACE, engine: str = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine that goes on with a recorded flow, made anew by the factory that is noted in its record."""
    flow = flow_from_detail(flow_detail)
    return load(flow, store=store, flow_detail=flow_detail, backend=backend, namespace=namespace, engine=engine,
                **kwargs)
