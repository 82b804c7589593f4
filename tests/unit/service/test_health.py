# SPDX-License-Identifier: Apache-2.0
"""How a daemon is judged."""

from __future__ import annotations

import json
from typing import Any

import testtools

from tfd.service.health import Health, judge
from tfd.service.notices import Notice, Phase


class HealthTest(testtools.TestCase):

    def _judge(self, *said: Notice | None) -> Health:
        return judge(said, now=100.0, max_silence=60.0)

    def _notice(self, phase: Phase = Phase.CONDUCTING, **fields: Any) -> Notice:
        return Notice(phase, **{'pid': 1, 'alive': 99.0, **fields})

    def test_all_is_well(self) -> None:
        found = self._judge(self._notice(running=2), self._notice(running=1))
        self.assertEqual((True, True, True), (found.well, found.started, found.alive))
        self.assertEqual('2 of 2 workers conduct, 3 jobs run', found.summary)

    def test_one_that_is_unwell_is_enough(self) -> None:
        for notice, reason in (
                (self._notice(away={'database': 'gone'}), 'database: gone'),
                (self._notice(away={'coordinator': 'gone'}), 'coordinator: gone'),
                (self._notice(Phase.UNFIT, away={'schema': 'too old'}), 'schema: too old'),
                (self._notice(Phase.DRAINING), 'worker is draining'),
                (self._notice(Phase.RESTARTING), 'worker is restarting'),
                (self._notice(alive=10.0), 'worker is hung'), (None, 'worker is restarting')):
            found = self._judge(self._notice(), notice)
            self.assertFalse(found.well, reason)
            self.assertIn(reason, found.answer['workers'][1]['reasons'])
            self.assertIn(reason, found.summary)

    def test_who_waits_has_started(self) -> None:
        self.assertTrue(self._judge(self._notice(Phase.WAITING)).started)
        self.assertFalse(self._judge(self._notice(), self._notice(Phase.STARTING)).started)
        self.assertFalse(self._judge(self._notice(Phase.RESTARTING)).started)
        self.assertFalse(self._judge(None).started)

    def test_who_is_silent_is_not_alive_unless_it_has_ended(self) -> None:
        for phase in Phase:
            found = self._judge(self._notice(phase, alive=39.0))
            self.assertEqual(phase in (Phase.ENDED, Phase.UNFIT), found.alive, phase)

    def test_who_has_not_begun_is_not_hung(self) -> None:
        self.assertTrue(self._judge(Notice()).alive)

    def test_the_answer_can_be_sent(self) -> None:
        found = self._judge(self._notice(away={'database': 'gone'}), None)
        answer = json.loads(json.dumps(found.answer))
        self.assertEqual(
            {'phase': 'conducting', 'pid': 1, 'running': 0, 'deaths': 0, 'last_loop': 1.0, 'hung': False,
             'database': 'gone', 'coordinator': 'ok', 'schema': 'ok', 'draining': False,
             'reasons': ['database: gone']}, answer['workers'][0])
        self.assertEqual('unavailable', answer['status'])
