# SPDX-License-Identifier: Apache-2.0
"""Which state follows which."""

from __future__ import annotations

import testtools

from tfd import exceptions, states


class TransitionsTest(testtools.TestCase):
    def _allowed(self, check, names):
        found = set()
        for old in names:
            for new in names:
                try:
                    if check(old, new):
                        found.add((old, new))
                except exceptions.InvalidState as error:
                    self.assertIn(repr(old), str(error))
                    self.assertIn(repr(new), str(error))
        return found

    def test_flow(self):
        names = ('PENDING', 'RUNNING', 'SUCCESS', 'FAILURE', 'REVERTED', 'SUSPENDING', 'SUSPENDED', 'RESUMING')
        found = self._allowed(states.check_flow_transition, names)
        for pair in (('PENDING', 'RUNNING'), ('RUNNING', 'SUSPENDING'), ('SUSPENDING', 'SUSPENDED'),
                     ('SUSPENDED', 'RUNNING'), ('REVERTED', 'PENDING')):
            self.assertIn(pair, found)
        for pair in (('PENDING', 'SUCCESS'), ('SUSPENDED', 'PENDING'), ('SUCCESS', 'REVERTED')):
            self.assertNotIn(pair, found)

    def test_staying_is_no_transition(self):
        self.assertFalse(states.check_flow_transition('RUNNING', 'RUNNING'))
        self.assertFalse(states.check_job_transition('CLAIMED', 'CLAIMED'))

    def test_job(self):
        names = ('UNCLAIMED', 'CLAIMED', 'COMPLETE')
        self.assertEqual(
            {('UNCLAIMED', 'CLAIMED'), ('CLAIMED', 'COMPLETE'), ('CLAIMED', 'UNCLAIMED')},
            self._allowed(states.check_job_transition, names))

    def test_only_retries_are_retrying(self):
        self.assertTrue(states.check_retry_transition('SUCCESS', 'RETRYING'))
        self.assertTrue(states.check_retry_transition('RETRYING', 'RUNNING'))
        self.assertFalse(states.check_task_transition('SUCCESS', 'RETRYING'))

    def test_what_rests_is_neither_suspended_nor_resumed(self):
        for old in ('PENDING', 'SUCCESS', 'FAILURE', 'REVERTED', 'SUSPENDED'):
            for new in ('SUSPENDING', 'RESUMING'):
                self.assertFalse(states.check_flow_transition(old, new))

    def test_an_atom_that_may_not_go_is_told_so_without_an_error(self):
        self.assertFalse(states.check_task_transition('PENDING', 'SUCCESS'))
        self.assertFalse(states.check_retry_transition('RETRYING', 'PENDING'))
