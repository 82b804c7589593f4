# SPDX-License-Identifier: Apache-2.0
"""Makes the parts of a deployment from its configuration: backend, job store, coordinator, engine.

Nothing here connects or starts a thread; that happens when a part is used. Make the parts after a
fork, in the process that uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from oslo_config import cfg

from tfd import exceptions, plugins
from tfd.conf import secrets
from tfd.jobs import ports, retention
from tfd.persistence import backends, base

__all__ = [
    'THREADS', 'JobBackend', 'check_engine', 'command', 'make_backend', 'make_coordinator', 'make_logbooks']

_COORDINATORS = 'tfd.coordinators'
_ENGINES = 'tfd.engines'
_LAUNCHERS = 'tfd.launchers'
#: The executor that needs no program of its own.
THREADS = 'threads'
_OF_ZOOKEEPER = ('hosts', 'path', 'auth_data', 'acl', 'use_ssl', 'ca', 'certfile', 'keyfile')


class JobBackend(base.SealedBackend, Protocol):
    """A backend that keeps jobs beside logbooks, so that a step can be fenced."""

    def jobs(self) -> ports.JobStore:
        """Return the job store of this backend; there is one, closed with the backend."""

    def retention(self) -> retention.Retention:
        """Return what removes finished jobs."""

    def roster(self) -> ports.Roster:
        """Return what keeps who has conducted."""

    def schema(self) -> base.Schema:
        """Return what looks after the schema of the database."""


def make_backend(conf: cfg.ConfigOpts) -> JobBackend:
    """Return a new backend for ``[database]``; the caller closes it.

    :raises BadConfiguration: there is no such driver, or it keeps no jobs.
    """
    backend = _fetch(_of_database(conf), '[database] connection')
    if not hasattr(backend, 'jobs'):
        backend.close()
        raise exceptions.BadConfiguration(
            '[database] connection', _shown(conf.database.connection), 'a database that keeps jobs, such as sqlite')
    made: JobBackend = backend
    return made


def make_logbooks(conf: cfg.ConfigOpts, connection: str) -> base.SealedBackend:
    """Return a new backend for logbooks elsewhere, with the keys and names of ``[secrets]``; the caller closes it.

    :param connection: their URL, from the option ``--connection`` of a command.
    :raises BadConfiguration: there is no such driver, or nothing is encrypted there.
    """
    backend = _fetch({'connection': connection, **_of_secrets(conf)}, '--connection')
    if not hasattr(backend, 'secrets'):
        backend.close()
        raise exceptions.BadConfiguration(
            '--connection', _shown(connection), 'logbooks that rest somewhere, as those of a directory')
    made: base.SealedBackend = backend
    return made


def _fetch(options: dict[str, Any], where: str) -> Any:
    """Return a new backend.

    :param where: the option that has its URL, as errors are to name it.
    :raises BadConfiguration: it cannot be made.
    """
    shown = _shown(options['connection'])
    try:
        return backends.fetch(options)
    except exceptions.BadConfiguration as err:
        option = str(err.option)
        if option.startswith('secret_'):
            raise _placed(err, f'[secrets] {option.removeprefix("secret_")}') from err
        raise _placed(err, f'[database] {option}' if where.startswith('[') else where) from err
    except exceptions.UnknownPlugin as err:
        raise exceptions.BadConfiguration(where, shown, f'a URL that begins with one of {err.known}') from None
    except ImportError as err:
        raise _not_installed(where, shown, err) from err


def _shown(connection: str) -> str:
    """Return what can be shown of a URL, which may have a password in it."""
    return f'{connection.partition(":")[0]}:…'


def _of_database(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Return the options of the SQL driver; its transactions end before a session could."""
    options = {name: conf.database[name] for name in conf.database}
    return {**options, 'session_timeout': conf.coordination.session_timeout, **_of_secrets(conf)}


def _of_secrets(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Return the options of every driver that say what is secret."""
    return {'secret_keys': secrets.keys(conf), 'secret_names': conf.secrets.names}


def make_coordinator(
    conf: cfg.ConfigOpts, *, worker: str, observer: bool = False, timeout: float | None = None,
) -> ports.Coordinator:
    """Return a new coordinator for ``[coordination]``, not started; the caller starts and stops it.

    :param worker: how this process is called among those of its host.
    :param observer: be no member: only ring, and look.
    :param timeout: seconds that connecting, and each call, may take; the configured ones where
        None.
    :raises BadConfiguration: there is no such driver, or it refuses an option.
    """
    name = conf.coordination.backend
    options = {key: conf.coordination[key] for key in _OF_ZOOKEEPER}
    options.update(
        connection=conf.database.connection,
        session_timeout=conf.coordination.session_timeout,
        connect_timeout=timeout or conf.coordination.connect_timeout, observer=observer)
    if timeout is not None:
        options['request_timeout'] = timeout
    try:
        driver = plugins.load(_COORDINATORS, name)
    except exceptions.UnknownPlugin as err:
        raise exceptions.BadConfiguration(
            '[coordination] backend', name, f'one of {err.known}') from None
    except ImportError as err:
        raise _not_installed('[coordination] backend', name, err) from err
    try:
        made: ports.Coordinator = driver(options, conductor=conf.host, worker=worker)
    except exceptions.BadConfiguration as err:
        section = 'database' if str(err.option).endswith('connection') else 'coordination'
        raise _placed(err, f'[{section}] {str(err.option).rpartition(" ")[2]}') from err
    return made


def check_engine(conf: cfg.ConfigOpts) -> None:
    """Return if the configured engine is installed.

    :raises BadConfiguration: it is not.
    """
    known = plugins.names(_ENGINES)
    if conf.conductor.engine not in known:
        raise exceptions.BadConfiguration(
            '[conductor] engine', conf.conductor.engine, f'one of {known}')


def command(conf: cfg.ConfigOpts, module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a module as a program on the configured executor, which is not threads.

    :raises BadConfiguration: there is no such executor, or what it needs is not installed.
    """
    name = conf.conductor.executor
    try:
        launcher: Callable[[str, Sequence[str]], list[str]] = plugins.load(_LAUNCHERS, name)
        return launcher(module, arguments)
    except exceptions.UnknownPlugin as err:
        raise exceptions.BadConfiguration(
            '[conductor] executor', name, f'one of {[THREADS, *err.known]}') from None
    except ImportError as err:
        raise _not_installed('[conductor] executor', name, err) from err


def _placed(err: exceptions.BadConfiguration, option: str) -> exceptions.BadConfiguration:
    """Return an error about a driver's option as one about this option."""
    placed = exceptions.BadConfiguration(option, err.value, '')
    placed.args = (f'{option}{str(err).removeprefix(str(err.option))}',)
    return placed


def _not_installed(option: str, value: str, err: ImportError) -> exceptions.BadConfiguration:
    return exceptions.BadConfiguration(
        option, value, f'a driver whose requirements are installed ({err})')
