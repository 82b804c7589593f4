# SPDX-License-Identifier: Apache-2.0
"""The list of options."""

from __future__ import annotations

import testtools

from tfd.conf import opts


class ListOptsTest(testtools.TestCase):

    def test_every_option_has_help(self) -> None:
        self.assertEqual(
            [], [o.name for _, options in opts.list_opts() for o in options if not o.help])

    def test_a_caller_cannot_change_the_options(self) -> None:
        opts.list_opts()[1][1][0].default = 'changed'
        self.assertNotEqual('changed', opts.list_opts()[1][1][0].default)

    def test_secrets_are_marked(self) -> None:
        secret = [o.name for _, options in opts.list_opts() for o in options if o.secret]
        self.assertEqual(['connection', 'auth_data', 'keys'], secret)
