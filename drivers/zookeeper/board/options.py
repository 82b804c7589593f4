# SPDX-License-Identifier: Apache-2.0
"""The options of a board: those of the driver, by the names that TaskFlow has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

from tfd_drivers.zookeeper.options import Options, read_options

__all__ = ['DEFAULT_PATH', 'board_options']

DEFAULT_PATH = '/taskflow/jobs'
_SWITCHES = ('use_ssl', 'verify_certs', 'randomize_hosts', 'check_hostname')


def board_options(conf: Mapping[str, Any]) -> Options:
    """Read the options of a board.

    :raises ValueError: the path is empty, or not absolute.
    :raises BadConfiguration: another cannot be used.
    """
    options = dict(conf)
    path = options.setdefault('path', DEFAULT_PATH)
    if not path or not str(path).strip('/'):
        raise ValueError('Empty zookeeper path is disallowed')
    if not str(path).startswith('/'):
        raise ValueError(f'Zookeeper path must be absolute, {path!r} is not')
    if 'timeout' in options:
        options.setdefault('session_timeout', options['timeout'])
    for name in _SWITCHES:
        if isinstance(options.get(name), str):
            options[name] = strutils.bool_from_string(options[name], strict=True)
    return read_options(options)
