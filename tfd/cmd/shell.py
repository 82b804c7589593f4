# SPDX-License-Identifier: Apache-2.0
"""What the commands that are made with cliff have in common."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cliff import app, command, commandmanager, lister, show
from oslo_config import cfg

from tfd import exceptions
from tfd.cmd import exits
from tfd.conf import load

__all__ = ['Lister', 'Shell', 'ShowOne', 'Silent', 'run']


class Shell(app.App):
    """A program of subcommands, with ``--config-file`` and ``--config-dir``."""

    DEFAULT_VERBOSE_LEVEL = 0
    CONSOLE_MESSAGE_FORMAT = '%(name)s: %(message)s'

    def build_option_parser(
        self, description: str | None, version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return the parser of the options that come before the subcommand."""
        parser = super().build_option_parser(description, version, argparse_kwargs)
        parser.add_argument(
            '--config-file', action='append', default=[], metavar='PATH',
            help='A configuration file; may be repeated, later ones win.')
        parser.add_argument(
            '--config-dir', action='append', default=[], metavar='DIR',
            help='A directory of *.conf files, read in the order of their names after all files.')
        return parser

    def conf(self) -> cfg.ConfigOpts:
        """Return the configuration that the options ask for.

        :raises BadConfiguration: it cannot be used.
        """
        return load.load(
            load.arguments(self.options.config_file, self.options.config_dir), prog=self.NAME)

    def configure_logging(self) -> None:
        """Send warnings, and with -v more, to standard error."""
        super().configure_logging()
        for name in ('stevedore', 'alembic', 'sqlalchemy', 'cliff'):
            logging.getLogger(name).setLevel(logging.WARNING)
        if self.options.verbose_level <= self.DEFAULT_VERBOSE_LEVEL:
            # They say at each try what the command says once, in the end.
            logging.getLogger('tfd_drivers').setLevel(logging.ERROR)
        else:
            logging.getLogger('tfd_drivers.zookeeper.client.kazoo').setLevel(logging.WARNING)


class _Reporting(command.Command):
    """A command whose typed errors become one line and a status."""

    app: Shell

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; return the status to end with."""
        try:
            status: int = super().run(parsed_args)
        except exceptions.TaskFlowException as err:
            if self.app.options.debug:
                raise
            return exits.report(self.app.NAME, err)
        return status or self.status

    #: What a command that did its work wants to end with.
    status: int = exits.Exit.DONE


class ShowOne(_Reporting, show.ShowOne):
    """Shows one thing, field by field."""


class Lister(_Reporting, lister.Lister):
    """Lists things, one in a row."""


class Silent(_Reporting):
    """Prints what it did, if anything, in its own words."""


def run(name: str, about: str, commands: Mapping[str, type[command.Command]],
        argv: Sequence[str] | None) -> int:
    """Run the program ``name``; return the status to end with."""
    manager = commandmanager.CommandManager('')
    for words, kind in commands.items():
        manager.add_command(words, kind)
    shell = type('NamedShell', (Shell,), {'NAME': name})(
        about, importlib.metadata.version('tfd'), manager)
    given = sys.argv[1:] if argv is None else list(argv)
    return int(shell.run(given or ['--help']))
