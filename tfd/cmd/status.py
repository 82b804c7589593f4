# SPDX-License-Identifier: Apache-2.0
"""``tfd-status upgrade check``: whether this host is ready for this release.

Ends as the command of that name does in other OpenStack services: 0 where all is well, 1 where there
is something to look at, 2 where the upgrade cannot go on, 255 where it could not be found out.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg

from tfd import exceptions
from tfd.cmd import shell
from tfd.conf import deployment

__all__ = ['main']


class Result(enum.IntEnum):
    """How a check can end; the worst is the status of the command."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2
    UNKNOWN = 255


def _schema(conf: cfg.ConfigOpts) -> tuple[Result, str]:
    with contextlib.closing(deployment.make_backend(conf)) as backend:
        with contextlib.closing(backend.get_connection()) as connection:
            try:
                connection.validate()
            except exceptions.IncompatibleSchema as err:
                return Result.FAILURE, str(err)
    return Result.SUCCESS, 'this release can work with it'


def _drivers(conf: cfg.ConfigOpts) -> tuple[Result, str]:
    deployment.check_engine(conf)
    deployment.make_coordinator(conf, worker='status', observer=True).stop()
    return Result.SUCCESS, 'installed'


_CHECKS: dict[str, Callable[[cfg.ConfigOpts], tuple[Result, str]]] = {
    'database schema': _schema,
    'drivers': _drivers,
}


class UpgradeCheck(shell.Lister):
    """Check whether this host is ready to run this release."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Any]:
        """Make every check, also where one before it fails."""
        conf = self.app.conf()
        rows = []
        for name, check in _CHECKS.items():
            try:
                result, detail = check(conf)
            except exceptions.BadConfiguration as err:
                result, detail = Result.FAILURE, str(err)
            except exceptions.TaskFlowException as err:
                result, detail = Result.UNKNOWN, str(err)
            self.status = max(self.status, result)
            rows.append((name, result.name.lower(), detail))
        return ('check', 'result', 'detail'), rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its status."""
    return shell.run('tfd-status', 'Check whether this host is ready for this release.',
                     {'upgrade check': UpgradeCheck}, argv)
