# SPDX-License-Identifier: Apache-2.0
"""Makes engines for flows, and flows from what was recorded of their factories."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_utils import importutils

from tfd import exceptions, plugins
from tfd.engines import base, parallel, serial
from tfd.engines import options as known_options
from tfd.persistence import backends, models
from tfd.persistence import base as persistence
from tfd.storage.inputs import as_inputs

__all__ = [
    'ENGINES_NAMESPACE', 'flow_from_detail', 'load', 'load_from_detail', 'load_from_factory', 'run',
    'save_factory_details',
]

ENGINES_NAMESPACE = 'tfd.engines'

_BUILT_IN: dict[str, Callable[..., base.Engine]] = {
    'default': serial.SerialEngine, 'serial': serial.SerialEngine, 'parallel': parallel.ParallelEngine,
}


def load(
    flow: Any, store: Any = None, flow_detail: models.FlowDetail | None = None,
    book: models.LogBook | None = None, backend: Any = None, namespace: str = ENGINES_NAMESPACE,
    engine: str | None = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine that will run a flow, or go on with it.

    :param flow: a flow, or a task, which is run as a flow of that name with nothing else in it.
    :param store: the flow's inputs, by symbol: a mapping, or pairs.
    :param flow_detail: the record to run under; one of its own is made in the book where there is none.
    :param book: the logbook; one of its own is made where there is a backend and neither a book nor a flow detail.
    :param backend: where to record: a backend, or what :func:`tfd.persistence.backends.fetch` makes one of; the caller
        closes it. None: in memory only.
    :param engine: ``serial``, ``parallel``, or a name of the namespace; may carry options as
        ``parallel://?max_workers=2``.
    :param kwargs: the engine's options; one that it does not know is refused.
    :raises NotFound: no engine of that name is installed.
    :raises ValueError, TypeError: an option is not known, or something has a value that cannot be used. As with any
        other error, no book has changed and nothing is recorded.
    """
    return _load(flow, store, flow_detail, book, backend, namespace, engine, kwargs)


def _load(
    flow: Any, store: Any, flow_detail: Any, book: Any, backend: Any, namespace: str, engine: str | None,
    given: dict[str, Any], noted: dict[str, Any] | None = None,
) -> base.Engine:
    """Return an engine; nothing is recorded, and no book has changed, where something is wrong.

    :param noted: how the flow is made, for the metadata of its new record.
    """
    kind, options = known_options.named(engine, given)
    factory = _factory(kind, namespace)
    if flow_detail is not None:
        _check_detail(flow_detail)
    if book is not None and not isinstance(book, models.LogBook):
        raise TypeError(f'book must be a logbook, not {book!r} ({type(book).__name__})')
    inputs = as_inputs(store, 'store') if store is not None else {}
    backend = _backend(backend)
    detail = flow_detail
    if detail is None:
        # What has no name is no flow, as compiling it will tell.
        detail = models.FlowDetail(str(getattr(flow, 'name', flow)))
        if book is None and backend is not None:
            book = models.LogBook(detail.name)
    made = factory(flow, detail, backend, options, book=book.uuid if book is not None else None)
    if noted is not None:
        detail.meta = {**(detail.meta or {}), 'factory': noted}
    if flow_detail is None and book is not None:
        _add(detail, book, backend)
    if inputs:
        made.storage.inject(inputs)
    return made


def _check_detail(flow_detail: Any) -> None:
    if not isinstance(flow_detail, models.FlowDetail):
        raise TypeError(f'flow_detail must be a flow detail, not {flow_detail!r} ({type(flow_detail).__name__})')


def _backend(backend: Any) -> Any:
    """Return a backend that was given, or the one that a configuration names."""
    if backend is None or hasattr(backend, 'get_connection'):
        return backend
    if not isinstance(backend, str | Mapping):
        raise TypeError(
            f'backend must be a backend, or the configuration of one, not {backend!r} ({type(backend).__name__})')
    return backends.fetch(backend)


def _factory(kind: str, namespace: str) -> Callable[..., base.Engine]:
    built_in = _BUILT_IN if namespace == ENGINES_NAMESPACE else {}
    if kind in built_in:
        return built_in[kind]
    try:
        found: Callable[..., base.Engine] = plugins.load(namespace, kind)
    except exceptions.UnknownPlugin as err:
        raise exceptions.NotFound(
            f'Could not find engine {kind!r} in {namespace!r}: {sorted({*built_in, *err.known}) or "none"} are'
            ' installed') from err
    return found


def _add(detail: models.FlowDetail, book: models.LogBook, backend: persistence.Backend | None) -> None:
    """Add a new flow to a book, also where that is stored."""
    if backend is not None:
        # The book and this flow alone: what the caller's copy says of the others may be old.
        alone = book.copy(retain_contents=False)
        alone.add(detail)
        connection = backend.get_connection()
        try:
            connection.save_logbook(alone)
        finally:
            connection.close()
    book.add(detail)


def run(
    flow: Any, store: Any = None, flow_detail: models.FlowDetail | None = None,
    book: models.LogBook | None = None, backend: Any = None, namespace: str = ENGINES_NAMESPACE,
    engine: str | None = 'default', **kwargs: Any,
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
    if not callable(factory):
        raise ValueError(f'Flow factory {factory!r} ({type(factory).__name__}) is neither callable nor a name')
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
    try:
        return plugins.resolve(name)
    except AttributeError as err:
        raise ImportError(f'Could not import factory {name!r}: {err}') from err
    except ModuleNotFoundError:
        raise
    except ImportError as err:
        raise ImportError(f'Could not import factory {name!r}: no such module') from err


def _noted(factory: Any, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is noted of how a flow is made."""
    return {'name': _name_of(factory), 'args': list(args or ()), 'kwargs': dict(kwargs or {})}


def save_factory_details(
    flow_detail: models.FlowDetail, flow_factory: Any, factory_args: Sequence[Any] | None,
    factory_kwargs: Mapping[str, Any] | None, backend: Any = None,
) -> None:
    """Note in the flow detail's metadata how its flow is made, so that :func:`flow_from_detail` can make it again.

    :param flow_factory: a function that can be imported by its name, or that name.
    :param backend: where the flow detail is stored, if it is.
    :raises ValueError: the factory cannot be imported by its name; nothing has changed.
    """
    noted = _noted(flow_factory, factory_args, factory_kwargs)
    _check_detail(flow_detail)
    backend = _backend(backend)
    flow_detail.meta = {**(flow_detail.meta or {}), 'factory': noted}
    if backend is not None:
        connection = backend.get_connection()
        try:
            connection.update_flow_details(flow_detail)
        finally:
            connection.close()


def load_from_factory(
    flow_factory: Any, factory_args: Sequence[Any] | None = None, factory_kwargs: Mapping[str, Any] | None = None,
    store: Any = None, book: models.LogBook | None = None, backend: Any = None,
    namespace: str = ENGINES_NAMESPACE, engine: str | None = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine for the flow that a factory makes, and note in its record how it is made.

    :raises ValueError: the factory cannot be imported by its name.
    :raises ImportError: there is nothing of that name.
    """
    noted = _noted(flow_factory, factory_args, factory_kwargs)
    factory = _import(noted['name']) if isinstance(flow_factory, str) else flow_factory
    flow = factory(*noted['args'], **noted['kwargs'])
    return _load(flow, store, None, book, backend, namespace, engine, kwargs, noted)


def flow_from_detail(flow_detail: models.FlowDetail) -> Any:
    """Return the flow of a record, made anew by the factory that is noted there.

    :raises ValueError: no factory is noted.
    :raises ImportError: the factory cannot be imported.
    """
    _check_detail(flow_detail)
    noted = (flow_detail.meta or {}).get('factory')
    if not noted:
        raise ValueError(
            f'Cannot reconstruct flow {flow_detail.name} {flow_detail.uuid}: no factory information saved.')
    return _import(noted['name'])(*(noted.get('args') or ()), **(noted.get('kwargs') or {}))


def load_from_detail(
    flow_detail: models.FlowDetail, store: Any = None, backend: Any = None,
    namespace: str = ENGINES_NAMESPACE, engine: str | None = 'default', **kwargs: Any,
) -> base.Engine:
    """Return an engine that goes on with a recorded flow, made anew by the factory that is noted in its record."""
    flow = flow_from_detail(flow_detail)
    return load(flow, store=store, flow_detail=flow_detail, backend=backend, namespace=namespace, engine=engine,
                **kwargs)
