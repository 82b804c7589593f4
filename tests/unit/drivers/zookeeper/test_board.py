# SPDX-License-Identifier: Apache-2.0
"""Names and bytes of the nodes of a board."""

from __future__ import annotations

import json
import uuid
from typing import Any

import testtools

from tfd import exceptions
from tfd.jobs.base import JobPriority
from tfd_drivers.zookeeper.board import layout, postings
from tfd_drivers.zookeeper.board.layout import LEGACY, Layout, NodeName

_UUID = str(uuid.UUID(int=7))
_HEX = _UUID.replace('-', '')


class LayoutTest(testtools.TestCase):
    def test_names_say_what_puts_jobs_in_order(self) -> None:
        self.assertEqual(NodeName(12, 3, _HEX), layout.parse(f'job-3-{_HEX}-0000000012', 0))
        self.assertEqual(NodeName(12), layout.parse('job0000000012', LEGACY))

    def test_other_names_are_no_jobs(self) -> None:
        for name in ('', 'job', f'job-5-{_HEX}-0000000012', f'job-3-{_HEX}-12', f'job-3-{_HEX}-0000000012.lock',
                     'job0000000012', f'job-3-{_HEX.upper()}x-0000000012'):
            self.assertIsNone(layout.parse(name, 0), name)
        for name in ('job0000000012.lock', '.tfd', 'jobs', f'job-3-{_HEX}-0000000012'):
            self.assertIsNone(layout.parse(name, LEGACY), name)

    def test_pages_are_numbered(self) -> None:
        paths = Layout('/a')
        self.assertEqual(('/a', '/a/.tfd/pages/0000000012'), (paths.page(LEGACY), paths.page(12)))
        self.assertEqual((12, None, None), tuple(map(paths.page_number, ('0000000012', '12', '-000000001'))))

    def test_entities_are_named_as_they_are(self) -> None:
        paths = Layout('/a')
        self.assertEqual('/a/.tfd/entities/conductor/c@host:1', paths.entity('conductor', 'c@host:1'))
        self.assertEqual('/a/.tfd/entities/conductor/a%2Fb', paths.entity('conductor', 'a/b'))


class PostingsTest(testtools.TestCase):
    def _posting(self, **fields: Any) -> postings.Posting:
        return postings.Posting(**{
            'uuid': _UUID, 'name': 'name', 'priority': JobPriority.LOW, 'details': {'a': [1, None]},
            'book': {'name': 'b', 'uuid': 'u'}, **fields})

    def test_comes_back_as_it_was(self) -> None:
        for posting in (self._posting(), self._posting(book=None, details={})):
            self.assertEqual(posting, postings.decode(postings.encode(posting), _HEX))

    def test_is_written_as_taskflow_does(self) -> None:
        self.assertEqual({
            'uuid': _UUID, 'name': 'name', 'priority': 'LOW', 'details': {'a': [1, None]},
            'book': {'name': 'b', 'uuid': 'u'}}, json.loads(postings.encode(self._posting())))

    def test_what_is_missing_has_its_default(self) -> None:
        self.assertEqual(
            postings.Posting(_UUID, 'n', JobPriority.NORMAL, {}),
            postings.decode(json.dumps({'uuid': _UUID, 'name': 'n'}).encode()))

    def test_another_uuid_than_that_of_the_name_is_refused(self) -> None:
        data = postings.encode(self._posting())
        self.assertRaises(exceptions.InvalidFormat, postings.decode, data, 'f' * 32)

    def test_what_is_refused_is_not_repeated(self) -> None:
        data = json.dumps({'uuid': 'secret', 'name': 'secret'}).encode()
        error = self.assertRaises(exceptions.InvalidFormat, postings.decode, data)
        self.assertNotIn('secret', str(error))

    def test_details_are_not_shown(self) -> None:
        self.assertNotIn('secret', repr(self._posting(details={'secret': 1})))

    def test_owners_come_back(self) -> None:
        self.assertEqual('me', postings.owner_of(postings.owner_data('me')))
        for data in (b'', b'\xff', b'[]', b'{}', b'{"owner": 5}', b'[' * 100_000):
            self.assertIsNone(postings.owner_of(data))
