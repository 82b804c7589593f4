# SPDX-License-Identifier: Apache-2.0
"""Reads the configuration files, and checks every value before anybody uses one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg, types
from oslo_log import log

from tfd import exceptions
from tfd.conf import opts

__all__ = ['BadConfigurationFile', 'Configuration', 'arguments', 'load']

_KINDS: dict[type, str] = {
    types.Integer: 'a whole number',
    types.Float: 'a number',
    types.Boolean: 'true or false',
    types.List: 'a list, separated by commas',
}


class BadConfigurationFile(exceptions.BadConfiguration):
    """A configuration file cannot be read.

    :ivar file: its path.
    :ivar why: what is wrong with it, with the line where there is one.
    """

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f'configuration file {file}', why, 'an ini file')
        self.args = (f'configuration file {file}: {why}',)
        self.file = file
        self.why = why


def arguments(files: Sequence[str] = (), dirs: Sequence[str] = ()) -> list[str]:
    """Return the command-line arguments that name these configuration files and directories."""
    return [
        *(part for file in files for part in ('--config-file', str(file))),
        *(part for dir in dirs for part in ('--config-dir', str(dir))),
    ]


class Configuration(cfg.ConfigOpts):
    """What :func:`load` returns: options of which the mutable ones can be read again.

    :ivar given: the command line, and the name of the program, that it was read by.
    """

    given: tuple[Sequence[str], str] = ((), 'tfd')

    def reload(self) -> None:
        """Read the files again: mutable options that changed take effect, others are named in the log.

        Every value is checked before; where one cannot be used, nothing takes effect.

        :raises BadConfigurationFile: a file is missing, not readable or not an ini file.
        :raises BadConfiguration: an option has a value that it cannot have.
        """
        load(*self.given)
        self.mutate_config_files()


def load(
    args: Sequence[str] = (), prog: str = 'tfd', description: str | None = None,
    version: str | None = None,
) -> Configuration:
    """Return the configuration that a command line asks for.

    Where ``args`` names no file, ``tfd.conf`` and ``<prog>.conf`` are looked for in ``~/.tfd``,
    ``~``, ``/etc/tfd`` and ``/etc``; where there is none, every option has its default. Later files
    win.

    :param args: ``--config-file``, ``--config-dir`` and the options of logging; see
        :func:`arguments`.
    :raises BadConfigurationFile: a file is missing, not readable or not an ini file.
    :raises BadConfiguration: an option has a value that it cannot have.
    """
    conf = Configuration()
    conf.given = (args, prog)
    log.register_options(conf)
    for group, options in opts.SECTIONS:
        if group.name != 'DEFAULT':
            conf.register_group(group)
        conf.register_opts(options, group=None if group.name == 'DEFAULT' else group)
    _parse(conf, args, prog, description, version)
    for _ in _values(conf, args, prog):
        pass
    _check_others(conf)
    return conf


def _parse(conf: cfg.ConfigOpts, args: Sequence[str], prog: str, description: str | None,
           version: str | None) -> None:
    try:
        conf(args=list(args), project='tfd', prog=prog, description=description, version=version)
    except cfg.ConfigFileParseError as err:
        why = str(err.msg).removeprefix(f'at {err.config_file}:')
        raise BadConfigurationFile(err.config_file, f'line {why}') from None
    except (cfg.ConfigFilesNotFoundError, cfg.ConfigFilesPermissionDeniedError) as err:
        missing = isinstance(err, cfg.ConfigFilesNotFoundError)
        why = 'no such file' if missing else 'permission denied'
        raise BadConfigurationFile(', '.join(err.config_files), why) from None
    except cfg.ConfigDirNotFoundError as err:
        raise BadConfigurationFile(err.config_dir, 'no such directory') from None
    except UnicodeDecodeError as err:
        raise BadConfigurationFile(', '.join(_named(args)) or prog, f'not UTF-8: {err}') from None
    except OSError as err:
        raise BadConfigurationFile(str(err.filename or prog), str(err.strerror)) from None
    except cfg.Error as err:
        raise exceptions.BadConfiguration('configuration', str(err), 'readable options') from err
    except SystemExit as end:
        # 1: a file has a bad value for an option that the command line has too; it was printed.
        if end.code != 1:
            raise
        raise BadConfigurationFile(
            ', '.join(_named(args)) or prog, 'has the value that is named above') from None


def _named(args: Sequence[str]) -> list[str]:
    """Return the files and directories that a command line names."""
    return [value for key, value in itertools.pairwise(args)
            if key in ('--config-file', '--config-dir')]


def _values(conf: cfg.ConfigOpts, args: Sequence[str], prog: str) -> Iterator[Any]:
    """Read every option of tfd once: oslo.config finds a bad value only when it is asked for."""
    for group, options in opts.SECTIONS:
        section = conf if group.name == 'DEFAULT' else conf[group.name]
        for option in options:
            try:
                yield section[option.dest]
            except ValueError as err:
                value = '***' if option.secret else _raw(args, prog, group, option)
                file = re.search(r"detail='([^']*)'", str(err))
                where = f' in {file[1]}' if file else ''
                raise exceptions.BadConfiguration(
                    f'[{group.name}] {option.name}{where}', value, _expected(option)) from None
            except cfg.Error:
                # What is said of it could have a part of a password in it.
                raise exceptions.BadConfiguration(
                    f'[{group.name}] {option.name}', '***' if option.secret else '…',
                    'each $ to be written $$, or to come before the name of an option') from None


def _check_others(conf: cfg.ConfigOpts) -> None:
    """Read what is not tfd's own, as the options of logging, once too."""
    for name in conf:
        try:
            conf[name]
        except (ValueError, SystemExit, cfg.Error) as err:
            raise exceptions.BadConfiguration(
                f'[DEFAULT] {name}', '…', f'another value: {err}') from None


def _raw(args: Sequence[str], prog: str, group: cfg.OptGroup, option: cfg.Opt) -> str | None:
    """Return the text that a file gives for an option, whatever its type."""
    probe = cfg.ConfigOpts()
    log.register_options(probe)
    name = None if group.name == 'DEFAULT' else group.name
    probe.register_opt(cfg.StrOpt(option.name), group=name)
    _parse(probe, args, prog, None, None)
    raw: str | None = (probe[name] if name else probe)[option.dest]
    return raw


def _expected(option: cfg.Opt) -> str:
    """Return in words what an option takes."""
    kind: Any = option.type
    words = [_KINDS.get(type(kind), 'text')]
    if getattr(kind, 'min', None) is not None:
        words.append(f'at least {kind.min:g}')
    if getattr(kind, 'max', None) is not None:
        words.append(f'at most {kind.max:g}')
    if getattr(kind, 'regex', None) is not None:
        words.append(f'matching {kind.regex.pattern}')
    if getattr(kind, 'max_length', None):
        words.append(f'of {kind.max_length} characters at most')
    return ', '.join(words)
