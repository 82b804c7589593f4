# SPDX-License-Identifier: Apache-2.0
"""``tfd``: jobs and conductors from the command line."""

from __future__ import annotations

from collections.abc import Sequence

from tfd.cmd import conductors, jobs, shell

__all__ = ['main']


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the status to end with, see :mod:`tfd.cmd.exits`."""
    return shell.run('tfd', 'Post jobs, look at them and wait for them; see who conducts.',
                     {**jobs.COMMANDS, **conductors.COMMANDS}, argv)
