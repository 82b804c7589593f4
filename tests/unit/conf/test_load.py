# SPDX-License-Identifier: Apache-2.0
"""What is read from configuration files, and how a bad one is refused."""

from __future__ import annotations

import io
import pathlib

import fixtures
import testtools

from tfd import exceptions
from tfd.conf import load


class LoadTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def _file(self, text: str, name: str = 'tfd.conf') -> str:
        path = self.dir / name
        path.write_bytes(text.encode('latin-1'))
        return str(path)

    def _load(self, text: str) -> object:
        return load.load(load.arguments([self._file(text)]))

    def test_defaults_without_options(self) -> None:
        conf = load.load(load.arguments([self._file('')]))
        self.assertEqual(2, conf.conductor.workers)
        self.assertEqual('sql', conf.coordination.backend)

    def test_a_later_file_wins(self) -> None:
        first = self._file('[conductor]\nworkers = 3\nmax_jobs = 4\n')
        second = self._file('[conductor]\nworkers = 5\n', 'second.conf')
        conf = load.load(load.arguments([first, second]))
        self.assertEqual((5, 4), (conf.conductor.workers, conf.conductor.max_jobs))

    def test_a_directory_is_read(self) -> None:
        self._file('[conductor]\nworkers = 7\n')
        self.assertEqual(7, load.load(load.arguments(dirs=[str(self.dir)])).conductor.workers)

    def test_a_line_without_assignment_is_named(self) -> None:
        err = self.assertRaises(load.BadConfigurationFile, self._load, '[DEFAULT]\nnonsense\n')
        self.assertEqual(str(self.dir / 'tfd.conf'), err.file)
        self.assertIn('line 2', str(err))
        self.assertIn('nonsense', str(err))

    def test_a_file_that_is_not_text(self) -> None:
        err = self.assertRaises(load.BadConfigurationFile, self._load, '\xff\xfe')
        self.assertIn('not UTF-8', str(err))

    def test_a_missing_file(self) -> None:
        err = self.assertRaises(
            load.BadConfigurationFile, load.load, ['--config-file', '/nowhere/tfd.conf'])
        self.assertEqual('configuration file /nowhere/tfd.conf: no such file', str(err))

    def test_a_missing_directory(self) -> None:
        err = self.assertRaises(
            load.BadConfigurationFile, load.load, ['--config-dir', '/nowhere'])
        self.assertEqual('configuration file /nowhere: no such directory', str(err))

    def test_a_bad_value_names_option_value_and_file(self) -> None:
        err = self.assertRaises(
            exceptions.BadConfiguration, self._load, '[conductor]\nworkers = many\n')
        self.assertEqual(
            f"[conductor] workers in {self.dir / 'tfd.conf'} = 'many': "
            'expected a whole number, at least 1, at most 1024', str(err))
        self.assertEqual('many', err.value)

    def test_a_value_out_of_bounds(self) -> None:
        err = self.assertRaises(
            exceptions.BadConfiguration, self._load, '[conductor]\nmax_jobs = 0\n')
        self.assertEqual('0', err.value)

    def test_host_must_not_hold_a_slash(self) -> None:
        self.assertRaises(exceptions.BadConfiguration, self._load, '[DEFAULT]\nhost = a/b\n')

    def test_a_dollar_that_is_not_doubled(self) -> None:
        err = self.assertRaises(exceptions.BadConfiguration, self._load,
                                '[database]\nconnection = mysql://me:pa$sword@host/name\n')
        self.assertEqual('[database] connection', err.option)
        self.assertIn('$$', str(err))
        self.assertNotIn('sword', str(err))

    def test_a_directory_in_place_of_a_file(self) -> None:
        err = self.assertRaises(
            load.BadConfigurationFile, load.load, ['--config-file', str(self.dir)])
        self.assertIn('directory', str(err))

    def test_options_of_logging_are_checked(self) -> None:
        err = self.assertRaises(
            exceptions.BadConfiguration, self._load, '[DEFAULT]\nlog_rotation_type = odd\n')
        self.assertIn('log_rotation_type', str(err))

    def test_options_of_the_command_line_are_checked(self) -> None:
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', io.StringIO()))
        err = self.assertRaises(
            load.BadConfigurationFile, self._load, '[DEFAULT]\ndebug = maybe\n')
        self.assertEqual(str(self.dir / 'tfd.conf'), err.file)


class ReloadTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.file = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'tfd.conf'
        self.file.write_text('[conductor]\nmax_jobs = 3\nworkers = 3\n')
        self.conf = load.load(load.arguments([str(self.file)]))

    def test_what_is_mutable_takes_effect(self) -> None:
        self.file.write_text('[conductor]\nmax_jobs = 4\nworkers = 3\n')
        self.conf.reload()
        self.assertEqual(4, self.conf.conductor.max_jobs)

    def test_what_is_not_is_named_and_stays(self) -> None:
        self.file.write_text('[conductor]\nworkers = 4\n')
        self.conf.reload()
        self.assertEqual(3, self.conf.conductor.workers)
        self.assertIn('Ignoring change to immutable option conductor.workers', self.log.output)

    def test_what_is_taken_out_has_its_default(self) -> None:
        self.file.write_text('[conductor]\nworkers = 3\n')
        self.conf.reload()
        self.assertEqual(8, self.conf.conductor.max_jobs)

    def test_nothing_takes_effect_where_a_value_cannot_be(self) -> None:
        for text in ('[conductor]\nmax_jobs = 0\n[retention]\nbatch = 5\n', 'nonsense',
                     '[coordination]\nsession_timeout = soon\n'):
            self.file.write_text(text)
            self.assertRaises(exceptions.BadConfiguration, self.conf.reload)
            self.assertEqual((3, 100), (self.conf.conductor.max_jobs, self.conf.retention.batch))

    def test_a_file_that_is_gone_changes_nothing(self) -> None:
        self.file.unlink()
        self.assertRaises(load.BadConfigurationFile, self.conf.reload)
        self.assertEqual(3, self.conf.conductor.max_jobs)
