# SPDX-License-Identifier: Apache-2.0
"""A worker that becomes a program of its own."""

from __future__ import annotations

import json
from unittest import mock

import testtools

from tests.unit.conf.deployments import Deployment
from tfd import exceptions
from tfd.service import daemon
from tfd.service.lone import LoneWorker
from tfd.service.notices import Notices


class LoneWorkerTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.made = self.useFixture(Deployment('[conductor]\nexecutor = eventlet\n'))
        self.place = Notices(4)
        self.addCleanup(self.place.close)
        self.worker = LoneWorker(3, self.made.conf(), self.place, lambda _: 1.5, 7)
        self.execv = mock.patch('os.execv').start()
        self.addCleanup(mock.patch.stopall)

    def test_tells_the_program_all_that_it_knows(self) -> None:
        self.worker.run()
        [program, command] = self.execv.call_args[0]
        self.assertEqual(program, command[0])
        self.assertIn('tfd.service.lone', command)
        self.assertEqual(
            {'number': 3, 'workers': 4, 'fd': self.place.fd, 'parent': 7, 'pause': 1.5, 'prog': 'tfd',
             'arguments': ['--config-file', str(self.made.file)]}, json.loads(command[-1]))

    def test_does_not_begin_what_is_to_end(self) -> None:
        self.worker.terminate()
        self.worker.run()
        self.execv.assert_not_called()

    def test_is_not_disturbed_by_a_reload(self) -> None:
        self.worker.reload()
        self.worker.run()
        self.execv.assert_called_once()


class PreflightTest(testtools.TestCase):

    def test_refuses_an_unknown_executor(self) -> None:
        conf = self.useFixture(Deployment('[conductor]\nexecutor = steam\n')).conf()
        err = self.assertRaises(exceptions.BadConfiguration, daemon.preflight, conf)
        self.assertEqual("[conductor] executor = 'steam': expected one of ['threads', 'eventlet']", str(err))

    def test_refuses_one_that_is_not_installed(self) -> None:
        conf = self.useFixture(Deployment('[conductor]\nexecutor = eventlet\n')).conf()
        with mock.patch('importlib.util.find_spec', return_value=None):
            err = self.assertRaises(exceptions.BadConfiguration, daemon.preflight, conf)
        self.assertIn("No module named 'eventlet'", str(err))
