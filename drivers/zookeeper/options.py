# SPDX-License-Identifier: Apache-2.0
"""The options of the ZooKeeper driver, checked."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kazoo import hosts as kazoo_hosts
from kazoo import security

from tfd import exceptions
from tfd_drivers.zookeeper.paths import Paths

__all__ = ['Options', 'read_options']

#: Given to kazoo as they are.
_PASSED_THROUGH = (
    'sasl_options',
    'use_ssl',
    'keyfile',
    'keyfile_password',
    'certfile',
    'ca',
    'verify_certs',
    'check_hostname',
    'randomize_hosts',
)
_ACLS = {'open': security.OPEN_ACL_UNSAFE, 'creator': security.CREATOR_ALL_ACL}
_SEGMENT = re.compile(r'[^/\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]+')


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What a coordinator must know; times in seconds.

    :ivar hosts: how many servers are named.
    :ivar acl: for every node that the driver creates.
    :ivar client: keyword arguments of kazoo's client.
    """

    hosts: int
    paths: Paths
    session_timeout: float
    request_timeout: float
    connect_timeout: float
    observer: bool
    acl: list[Any]
    client: Mapping[str, Any] = dataclasses.field(repr=False)


def read_options(conf: Mapping[str, Any]) -> Options:
    """Read the options; those that are missing or None have their defaults.

    :raises BadConfiguration: one cannot be used.
    """
    given = {key: value for key, value in conf.items() if value is not None}
    addresses, count, chroot = _hosts(given.get('hosts', '127.0.0.1:2181'))
    session_timeout = _seconds(given, 'session_timeout', 10.0)
    request_timeout = _seconds(given, 'request_timeout', session_timeout / 2)
    client = {key: given[key] for key in _PASSED_THROUGH if key in given}
    _check_files(client)
    return Options(
        hosts=count,
        paths=Paths(_root(chroot) + _root(given.get('path', '/tfd'))),
        session_timeout=session_timeout,
        request_timeout=request_timeout,
        connect_timeout=_seconds(given, 'connect_timeout', max(10.0, request_timeout)),
        observer=bool(given.get('observer', False)),
        acl=_acl(given.get('acl', 'open')),
        client={**client, 'hosts': addresses, 'auth_data': _auth(given.get('auth_data', ()))},
    )


def _bad(name: str, value: object, expected: str) -> exceptions.BadConfiguration:
    return exceptions.BadConfiguration(f'[zookeeper] {name}', value, expected)


def _seconds(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise _bad(name, value, 'a number of seconds above 0')
    return seconds


def _hosts(value: object) -> tuple[str, int, str]:
    """Return the addresses without the chroot, how many they are, and the chroot.

    The chroot is not left to kazoo, which would neither create it nor let it be created.
    """
    expected = "'host:port,host:port', with '/a/chroot' after the last where wanted"
    listed = ','.join(value) if isinstance(value, (list, tuple)) else value
    if not isinstance(listed, str):
        raise _bad('hosts', value, expected)
    addresses, _, chroot = listed.partition('/')
    try:
        found, _ = kazoo_hosts.collect_hosts(addresses)
    except ValueError:
        raise _bad('hosts', value, expected) from None
    return addresses, len(found), chroot


def _root(path: object) -> str:
    segments = [segment for segment in str(path).split('/') if segment]
    for segment in segments:
        if segment in ('.', '..') or not _SEGMENT.fullmatch(segment):
            raise _bad('path', path, 'a path of ZooKeeper, as /tfd')
    return ''.join(f'/{segment}' for segment in segments)


def _auth(value: object) -> list[tuple[str, str]]:
    """Take ``'scheme:credential'``, or a list of those or of pairs."""
    entries = [value] if isinstance(value, str) else value
    found = []
    for entry in entries if isinstance(entries, Iterable) else ():
        pair = entry.split(':', 1) if isinstance(entry, str) else entry
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(pair):
            # The value is a secret: it is not repeated.
            raise _bad('auth_data', '***', "'scheme:credential', as digest:user:password")
        found.append((str(pair[0]), str(pair[1])))
    return found


def _acl(value: object) -> list[Any]:
    if not isinstance(value, str) or value not in _ACLS:
        raise _bad('acl', value, f'one of {sorted(_ACLS)}')
    return list(_ACLS[value])


def _check_files(client: Mapping[str, Any]) -> None:
    for name in ('keyfile', 'certfile', 'ca'):
        if name in client and not os.access(client[name], os.R_OK):
            raise _bad(name, client[name], 'a file that can be read')
