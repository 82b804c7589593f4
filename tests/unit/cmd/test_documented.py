# SPDX-License-Identifier: Apache-2.0
"""The commands, options and files that the documentation shows are there."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from tests.pages import ROOT, Example, Page, pages
from tests.unit.cmd.commands import CommandTestCase
from tfd.cmd import conductors, jobs, manage, status, tfd
from tfd.conf import load, opts

_PAGES = pages()
_MAINS: dict[str, Callable[[Sequence[str] | None], int]] = {
    'tfd': tfd.main, 'tfd-manage': manage.main, 'tfd-status': status.main}
_COMMAND = re.compile(r'^[$#] (?:.* -- )?(tfd(?:-manage|-status)? .*)$', re.MULTILINE)


def _commands(page: Page) -> Iterator[list[str]]:
    """Yield the words of each command in the consoles of a page that can be run here."""
    for example in page.examples('console'):
        for line in _COMMAND.findall(example.text):
            yield shlex.split(line, comments=True)


def _text(examples: Sequence[Example]) -> str:
    return ''.join(example.text for example in examples)


class ConsoleTest(CommandTestCase):

    migrated = False

    def test_each_command_works(self) -> None:
        configured = self.deployment.file.read_text()
        ran = 0
        for name, page in _PAGES.items():
            # With what the page says about the configuration.
            shown = '' if name == 'admin/configuration.rst' else _text(page.examples('ini'))
            self.deployment.file.write_text(configured + shown)
            for words in _commands(page):
                given = [word for word in words[1:] if word not in ('--config-file', '/etc/tfd/tfd.conf')]
                ended = self.call(_MAINS[words[0]], *given)
                self.assertEqual((0, ''), (ended.status, ended.err), f'{name}: {words}')
                ran += 1
        self.assertGreater(ran, 1)

    def test_the_files_that_are_installed_are_there(self) -> None:
        named = set(re.findall(r'(?<![\w/])etc/[\w./-]+', _PAGES['admin/conductor.rst'].text))
        self.assertIn('etc/tfd/tfd.conf.sample', named)
        self.assertEqual([], [name for name in sorted(named) if not (ROOT / name).exists()])


class ListedTest(CommandTestCase):
    """The page that lists all commands."""

    migrated = False
    text = _PAGES['admin/commands.rst'].text

    def test_lists_every_subcommand_of_tfd_and_no_other(self) -> None:
        listed = set(re.findall(r'``tfd ([a-z]+ [a-z]+)', self.text))
        self.assertEqual({*jobs.COMMANDS, *conductors.COMMANDS}, listed)

    def test_lists_every_subcommand_of_tfd_manage(self) -> None:
        for name in manage.COMMANDS:
            self.assertRegex(self.text, rf'``(tfd-manage )?{name}( [^`]*)?``')

    def test_the_options_that_it_names_are_taken(self) -> None:
        shown = re.findall(r'``(tfd|tfd-manage|tfd-status) ([a-z ]+[a-z])([^`]*)``', self.text)
        self.assertIn('job post', [words for _, words, _ in shown])
        for program, words, options in shown:
            helped = self.call_plain(_MAINS[program], 'help', *words.split()).out
            for option in re.findall(r'--[\w-]+', options):
                self.assertIn(option, helped, f'{program} {words}')


class ConfigurationTest(CommandTestCase):
    """What pages show of configuration files."""

    migrated = False
    known = {(str(group), option.dest) for group, options in opts.list_opts() for option in options}

    def test_each_example_names_options_that_there_are(self) -> None:
        shown = [
            (section, name) for page, one in _PAGES.items() if page.startswith('admin/')
            for example in one.examples('ini') for section, name in self._options(example.text)]
        self.assertNotEqual([], shown)
        self.assertEqual([], [pair for pair in shown if pair not in self.known and pair[0] != 'DEFAULT'])

    def test_each_option_that_is_named_in_a_text_is_there(self) -> None:
        groups = {group for group, _ in self.known}
        for page, one in _PAGES.items():
            for section, name in re.findall(r'``\[(\w+)\] (\w+)', re.sub(r'\s+', ' ', one.text)):
                if section in groups - {'DEFAULT'}:
                    self.assertIn((section, name), self.known, page)

    def test_the_example_of_a_site_can_be_read(self) -> None:
        example, = _PAGES['admin/configuration.rst'].examples('ini')
        self.deployment.file.write_text(example.text)
        conf = load.load(load.arguments([str(self.deployment.file)]))
        self.assertEqual(2, conf.conductor.workers)

    @staticmethod
    def _options(text: str) -> Iterator[tuple[str, str]]:
        parser = configparser.ConfigParser(interpolation=None, default_section='')
        parser.read_string(text)
        for section in parser.sections():
            for name in parser[section]:
                yield section, name
