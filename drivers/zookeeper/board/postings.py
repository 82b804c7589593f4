# SPDX-License-Identifier: Apache-2.0
"""A job as the bytes of its node: JSON, with the fields that TaskFlow gives it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from oslo_serialization import jsonutils
from oslo_utils import uuidutils

from tfd import exceptions
from tfd.jobs.base import JobPriority

__all__ = ['LARGEST', 'Posting', 'decode', 'encode', 'owner_of', 'owner_data']

#: Bytes that a job may have. ZooKeeper drops the connection of who sends it more than 1 MiB (``jute.maxbuffer``).
LARGEST = 1_000_000
_LONGEST_NAME = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Posting:
    """What a node says of its job.

    :ivar book: ``name`` and ``uuid`` of its logbook, None where it has none.
    """

    uuid: str
    name: str
    priority: JobPriority
    details: Mapping[str, Any] = dataclasses.field(repr=False)
    book: Mapping[str, str] | None = None


def encode(posting: Posting) -> bytes:
    """Return the bytes of a node.

    :raises ValueError: JSON has no form of the details.
    :raises TooLarge: they are more than a node can have.
    """
    fields: dict[str, Any] = {
        'uuid': posting.uuid, 'name': posting.name, 'priority': posting.priority.value,
        'details': dict(posting.details)}
    if posting.book is not None:
        fields['book'] = dict(posting.book)
    data: bytes = jsonutils.dump_as_bytes(fields)
    if len(data) > LARGEST:
        raise exceptions.TooLarge(f'job {posting.name!r}', len(data), LARGEST)
    return data


def decode(data: bytes, uuid: str | None = None) -> Posting:
    """Return what a node says.

    :param uuid: the UUID that its name gives, in hexadecimal.
    :raises InvalidFormat: it is none that a poster writes; the message says what is wrong, and not what is in it.
    """
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError) as err:
        raise exceptions.InvalidFormat(f'no JSON ({type(err).__name__})') from None
    _expect(isinstance(fields, dict), 'no mapping')
    found = fields.get('uuid')
    _expect(isinstance(found, str) and uuidutils.is_uuid_like(found), 'no uuid')
    _expect(uuid is None or _plain(found) == uuid, 'another uuid than its name says')
    name = fields.get('name')
    _expect(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME, 'no name')
    details = fields.get('details')
    _expect(details is None or isinstance(details, dict), 'details that are no mapping')
    return Posting(found, name, _priority(fields), details or {}, _book(fields))


def _expect(holds: bool, instead: str) -> None:
    if not holds:
        raise exceptions.InvalidFormat(f'it has {instead}')


def _plain(uuid: str) -> str:
    return uuid.replace('-', '').lower()


def _priority(fields: Mapping[str, Any]) -> JobPriority:
    value = fields.get('priority', JobPriority.NORMAL.value)
    try:
        return JobPriority(value)
    except ValueError:
        raise exceptions.InvalidFormat('it has no priority that there is') from None


def _book(fields: Mapping[str, Any]) -> Mapping[str, str] | None:
    book = fields.get('book')
    if not book:
        return None
    _expect(isinstance(book, dict), 'a book that is no mapping')
    given = {key: book.get(key) for key in ('name', 'uuid')}
    _expect(all(isinstance(value, str) and value for value in given.values()), 'a book without name and uuid')
    return given


def owner_data(who: str) -> bytes:
    """Return the bytes of the lock of whoever claims a job."""
    data: bytes = jsonutils.dump_as_bytes({'owner': who})
    return data


def owner_of(data: bytes) -> str | None:
    """Return who claims a job by the bytes of its lock, None where they do not say."""
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    owner = fields.get('owner') if isinstance(fields, dict) else None
    return owner if isinstance(owner, str) else None
