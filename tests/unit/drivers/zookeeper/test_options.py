# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd import exceptions
from tfd_drivers.zookeeper.coordinator import ZookeeperCoordinator
from tfd_drivers.zookeeper.options import read_options


class ReadOptionsTest(testtools.TestCase):
    def test_everything_has_a_default(self) -> None:
        options = read_options({})
        self.assertEqual('/tfd', options.paths.root)
        self.assertEqual('127.0.0.1:2181', options.client['hosts'])
        self.assertEqual(
            (10.0, 5.0, 10.0),
            (options.session_timeout, options.request_timeout, options.connect_timeout))

    def test_none_is_the_default(self) -> None:
        self.assertEqual(read_options({}), read_options({'hosts': None, 'request_timeout': None}))

    def test_chroot_is_part_of_the_root(self) -> None:
        for hosts in ('a:1,b:2/one/two', ['a:1', 'b:2/one/two']):
            options = read_options({'hosts': hosts, 'path': 'tfd/'})
            self.assertEqual('a:1,b:2', options.client['hosts'])
            self.assertEqual('/one/two/tfd', options.paths.root)
            self.assertEqual(2, options.hosts)

    def test_credentials_may_hold_colons(self) -> None:
        expected = [('digest', 'user:pass:word')]
        for given in ('digest:user:pass:word', ['digest:user:pass:word'], expected):
            self.assertEqual(expected, read_options({'auth_data': given}).client['auth_data'])

    def test_what_cannot_be_used_is_named(self) -> None:
        for name, value in (
            ('hosts', 7), ('hosts', ':1'), ('session_timeout', 'soon'), ('session_timeout', 0),
            ('request_timeout', -1), ('path', '/a/../b'), ('path', '/a\nb'), ('acl', 'nobody'),
            ('ca', '/does/not/exist'),
        ):
            error = self.assertRaises(
                exceptions.BadConfiguration, read_options, {name: value})
            self.assertEqual(f'[zookeeper] {name}', error.option)

    def test_credentials_show_nowhere(self) -> None:
        error = self.assertRaises(
            exceptions.BadConfiguration, read_options, {'auth_data': ['secret']})
        self.assertNotIn('secret', str(error))
        self.assertNotIn('secret', repr(read_options({'auth_data': ['digest:user:secret']})))

    def test_names_are_checked(self) -> None:
        for name in ('', 'a/b', 'a' * 101):
            self.assertRaises(
                exceptions.BadConfiguration, ZookeeperCoordinator, {}, conductor=name, worker='1')

    def test_what_kazoo_does_not_take_is_refused_at_once(self) -> None:
        conf = {'auth_data': 'sasl:user:password', 'sasl_options': {'mechanism': 'DIGEST-MD5'}}
        self.assertRaises(
            exceptions.BadConfiguration, ZookeeperCoordinator, conf, conductor='a', worker='1')
