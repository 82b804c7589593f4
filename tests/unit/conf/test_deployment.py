# SPDX-License-Identifier: Apache-2.0
"""Parts that are made from a configuration, and how one that cannot be made is named."""

from __future__ import annotations

import testtools

from tests.unit.conf.deployments import Deployment
from tfd import exceptions
from tfd.conf import deployment, load


class DeploymentTest(testtools.TestCase):

    def _conf(self, text: str) -> object:
        made = self.useFixture(Deployment(migrated=False))
        made.file.write_text(text)
        return load.load(load.arguments([str(made.file)]))

    def test_an_unknown_database_is_named_without_its_password(self) -> None:
        conf = self._conf('[database]\nconnection = oracle://me:s3cr3t@host/name\n')
        err = self.assertRaises(exceptions.BadConfiguration, deployment.make_backend, conf)
        self.assertEqual('[database] connection', err.option)
        self.assertIn('sqlite', str(err))
        self.assertNotIn('s3cr3t', str(err))

    def test_what_is_no_url_is_named(self) -> None:
        conf = self._conf('[database]\nconnection = sqlite\n')
        err = self.assertRaises(exceptions.BadConfiguration, deployment.make_backend, conf)
        self.assertEqual('[database] connection', err.option)

    def test_a_database_that_keeps_no_jobs_is_refused(self) -> None:
        conf = self._conf('[database]\nconnection = memory\n')
        err = self.assertRaises(exceptions.BadConfiguration, deployment.make_backend, conf)
        self.assertIn('keeps jobs', str(err))

    def test_an_unknown_coordinator_is_named_with_those_that_are_known(self) -> None:
        conf = self._conf('[coordination]\nbackend = etcd\n')
        err = self.assertRaises(
            exceptions.BadConfiguration, deployment.make_coordinator, conf, worker='1')
        self.assertEqual(
            "[coordination] backend = 'etcd': expected one of ['sql', 'zookeeper']", str(err))

    def test_an_option_that_the_driver_refuses_is_named(self) -> None:
        conf = self._conf('[coordination]\nbackend = zookeeper\nhosts = a:b:c\n')
        err = self.assertRaises(
            exceptions.BadConfiguration, deployment.make_coordinator, conf, worker='1')
        self.assertEqual('[coordination] hosts', err.option)

    def test_the_database_of_the_leases_is_named_where_it_is_configured(self) -> None:
        conf = self._conf('[database]\nconnection = oracle://host/name\n')
        err = self.assertRaises(
            exceptions.BadConfiguration, deployment.make_coordinator, conf, worker='1')
        self.assertEqual('[database] connection', err.option)

    def test_an_unknown_engine_is_named(self) -> None:
        conf = self._conf('[conductor]\nengine = steam\n')
        err = self.assertRaises(exceptions.BadConfiguration, deployment.check_engine, conf)
        self.assertEqual(('[conductor] engine', 'steam'), (err.option, err.value))

    def test_a_coordinator_is_made_without_connecting(self) -> None:
        conf = self._conf('[coordination]\nbackend = zookeeper\nhosts = 192.0.2.1:1\n')
        coordinator = deployment.make_coordinator(conf, worker='1')
        self.assertIsNone(coordinator.session())
        coordinator.stop()
