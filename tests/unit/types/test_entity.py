# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.types import entity


class EntityTest(testtools.TestCase):
    def test_as_a_dictionary(self) -> None:
        made = entity.Entity('conductor', 'one', {'host': 'h'})
        self.assertEqual({'kind': 'conductor', 'name': 'one', 'metadata': {'host': 'h'}}, made.to_dict())

    def test_is_known_by_what_it_is(self) -> None:
        self.assertEqual(entity.Entity('k', 'n', {}), entity.Entity('k', 'n', {}))
        self.assertNotEqual(entity.Entity('k', 'n', {}), entity.Entity('k', 'm', {}))
