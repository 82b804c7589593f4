# SPDX-License-Identifier: Apache-2.0
"""Makes the parts of a deployment from its configuration: backend, job store, coordinator, engine.

Nothing here connects or starts a thread; that happens when a part is used. Make the parts after a
fork, in the process that uses them.
"""

from __future__ import annotations

from typing import Any, Protocol

from oslo_config import cfg

from tfd import exceptions, plugins
from tfd.conf import secrets
from tfd.jobs import ports, retention
from tfd.persistence import backends, base

__all__ = ['JobBackend', 'check_engine', 'make_backend', 'make_coordinator']

_COORDINATORS = 'tfd.coordinators'
_ENGINES = 'tfd.engines'
_OF_ZOOKEEPER = ('hosts', 'path', 'auth_data', 'acl', 'use_ssl', 'ca', 'certfile', 'keyfile')


class JobBackend(base.Backend, Protocol):
    """A backend that keeps jobs beside logbooks, so that a step can be fenced."""

    def jobs(self) -> ports.JobStore:
        """Return the job store of this backend; there is one, closed with the backend."""

    def retention(self) -> retention.Retention:
        """Return what removes finished jobs."""

    def roster(self) -> ports.Roster:
        """Return what keeps who has conducted."""

    def secrets(self) -> base.Secrets:
        """Return what encrypts stored secrets anew."""

    def schema(self) -> base.Schema:
        """Return what looks after the schema of the database."""


def make_backend(conf: cfg.ConfigOpts) -> JobBackend:
    """Return a new backend for ``[database]``; the caller closes it.

    :raises BadConfiguration: there is no such driver, or it keeps no jobs.
    """
    options = _of_database(conf)
    scheme = str(options['connection']).partition(':')[0]
    try:
        backend: Any = backends.fetch(options)
    except exceptions.BadConfiguration as err:
        option = str(err.option)
        if option.startswith('secret_'):
            raise _placed(err, 'secrets', option.removeprefix('secret_')) from err
        raise _placed(err, 'database') from err
    except exceptions.UnknownPlugin as err:
        raise exceptions.BadConfiguration(
            '[database] connection', f'{scheme}:…', f'a URL that begins with one of {err.known}',
        ) from None
    except ImportError as err:
        raise _not_installed('[database] connection', f'{scheme}:…', err) from err
    if not hasattr(backend, 'jobs'):
        backend.close()
        raise exceptions.BadConfiguration(
            '[database] connection', f'{scheme}:…', 'a database that keeps jobs, such as sqlite')
    made: JobBackend = backend
    return made


def _of_database(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Return the options of the SQL driver; its transactions end before a session could."""
    options = {name: conf.database[name] for name in conf.database}
    return {
        **options, 'session_timeout': conf.coordination.session_timeout, 'secret_keys': secrets.keys(conf),
        'secret_names': conf.secrets.names,
    }


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
        raise _placed(err, section) from err
    return made


def check_engine(conf: cfg.ConfigOpts) -> None:
    """Return if the configured engine is installed.

    :raises BadConfiguration: it is not.
    """
    known = plugins.names(_ENGINES)
    if conf.conductor.engine not in known:
        raise exceptions.BadConfiguration(
            '[conductor] engine', conf.conductor.engine, f'one of {known}')


def _placed(
    err: exceptions.BadConfiguration, section: str, name: str | None = None
) -> exceptions.BadConfiguration:
    """Return an error about a driver's option as one about the option of the configuration."""
    name = name or str(err.option).rpartition(' ')[2]
    placed = exceptions.BadConfiguration(f'[{section}] {name}', err.value, '')
    placed.args = (f'[{section}] {name}{str(err).removeprefix(str(err.option))}',)
    return placed


def _not_installed(option: str, value: str, err: ImportError) -> exceptions.BadConfiguration:
    return exceptions.BadConfiguration(
        option, value, f'a driver whose requirements are installed ({err})')
