# SPDX-License-Identifier: Apache-2.0
"""The demo's cloud: servers, volumes and attachments, kept in memory and slow on purpose.

Like the real ones it is asynchronous: a create is accepted at once and done later, and so is a
delete. Like the better ones it is idempotent: a create that carries a key it has seen before
answers with the resource that the key made. Every effect goes to a ledger that only grows.
"""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ['REFUSE_ATTACH', 'Cloud', 'CloudError', 'Delays', 'Resource']

#: A server or volume whose name contains this cannot be attached.
REFUSE_ATTACH = 'no-attach'

#: Kind: (state while it is made, state when it is there, state while it is removed).
STATES = {
    'servers': ('BUILD', 'ACTIVE', 'DELETING'),
    'volumes': ('creating', 'available', 'deleting'),
    'attachments': ('attaching', 'attached', 'detaching'),
}

#: Kind: what a create must say, and the type of each.
FIELDS: Mapping[str, Mapping[str, type]] = {
    'servers': {'name': str},
    'volumes': {'name': str, 'size': int},
    'attachments': {'server_id': str, 'volume_id': str},
}


@dataclasses.dataclass(frozen=True, slots=True)
class Delays:
    """How long each kind of work takes, in seconds."""

    servers: float = 2.0
    volumes: float = 1.5
    attachments: float = 1.0
    delete: float = 0.4


class CloudError(Exception):
    """A request that the cloud does not carry out.

    :ivar status: the HTTP status that says so.
    :ivar reason: one word for programs: malformed, unknown, not_ready, refused, in_use, key_reused.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclasses.dataclass(slots=True)
class Resource:
    """One server, volume or attachment, from its create until it is gone."""

    kind: str
    id: str
    key: str | None
    fields: dict[str, Any]
    state: str
    since: float
    due: float | None

    def shown(self, now: float) -> dict[str, Any]:
        """Return what a client sees; ``progress`` is the percentage of the work under way."""
        progress = 100
        if self.due is not None and self.due > self.since:
            progress = min(99, int(100 * (now - self.since) / (self.due - self.since)))
        return {'id': self.id, 'key': self.key, 'status': self.state, 'progress': progress,
                **self.fields}


class Cloud:
    """All that the cloud holds; every method is atomic and may be called from any thread.

    Nothing runs in the background: what has become due is done at the start of the next call,
    in the order and with the time at which it was due.

    :param delays: how long the work takes.
    :param clock: seconds that never go back.
    """

    def __init__(self, delays: Delays, clock: Callable[[], float]) -> None:
        self._delays = delays
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._resources: dict[str, Resource] = {}
        self._by_key: dict[tuple[str, str], str] = {}
        self._ledger: list[dict[str, Any]] = []

    def create(
        self, kind: str, body: Mapping[str, Any], key: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Begin to make a resource, or find the one that ``key`` made and that is still there.

        A key may be used again once its resource is being deleted.

        :returns: the resource as shown, and whether it was there already.
        :raises CloudError: malformed (400), unknown (404), not_ready or refused (409), key_reused
            (422: the key made something else). Nothing was made.
        """
        with self._lock:
            now = self._settle()
            fields = _checked(kind, body)
            if key is not None and (kind, key) in self._by_key:
                found = self._resources[self._by_key[kind, key]]
                if found.fields != fields:
                    raise CloudError(422, 'key_reused', f'key {key!r} made {found.fields}, '
                                                        f'and is now sent with {fields}')
                self._record('repeated', found, now)
                return found.shown(now), True
            if kind == 'attachments':
                self._check_attach(fields, key, now)
            made = Resource(kind, str(uuid.uuid4()), key, fields, STATES[kind][0], now,
                            now + getattr(self._delays, kind))
            self._resources[made.id] = made
            if key is not None:
                self._by_key[kind, key] = made.id
            self._record('create', made, now)
            return made.shown(now), False

    def delete(self, kind: str, id: str) -> dict[str, Any]:
        """Begin to remove a resource; again is fine, until it is gone.

        :raises CloudError: unknown (404), or in_use (409: something is attached to it).
        """
        with self._lock:
            now = self._settle()
            found = self._find(kind, id)
            if found.state == STATES[kind][2]:
                return found.shown(now)
            for other in self._resources.values():
                if other.kind == 'attachments' and id in other.fields.values():
                    raise CloudError(409, 'in_use', f'{kind[:-1]} {id} has attachment {other.id}')
            self._begin_delete(found, now)
            return found.shown(now)

    def show(self, kind: str, id: str) -> dict[str, Any]:
        """Return one resource.

        :raises CloudError: unknown (404).
        """
        with self._lock:
            now = self._settle()
            return self._find(kind, id).shown(now)

    def select(self, kind: str, **wanted: str) -> list[dict[str, Any]]:
        """Return the resources of a kind whose shown fields (name, key, …) equal ``wanted``.

        A key finds only what it stands for now, so not a resource that is being deleted.
        """
        with self._lock:
            now = self._settle()
            shown = [r.shown(now) for r in self._resources.values() if r.kind == kind]
            if 'key' in wanted:
                shown = [r for r in shown if r['status'] != STATES[kind][2]]
            return [r for r in shown
                    if all(str(r.get(name)) == value for name, value in wanted.items())]

    def inventory(self) -> dict[str, list[dict[str, Any]]]:
        """Return everything that exists, by kind."""
        with self._lock:
            now = self._settle()
            held: dict[str, list[dict[str, Any]]] = {kind: [] for kind in STATES}
            for resource in self._resources.values():
                held[resource.kind].append(resource.shown(now))
            return held

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the effects numbered above ``after``, oldest first; the first has number 1."""
        with self._lock:
            self._settle()
            return self._ledger[max(0, after):]

    def _settle(self) -> float:
        """Do what has become due, and return the time."""
        now = self._clock()
        due = [r for r in self._resources.values() if r.due is not None and r.due <= now]
        for resource in sorted(due, key=lambda r: r.due or 0.0):
            when, resource.due = resource.due or now, None
            if resource.state == STATES[resource.kind][2]:
                del self._resources[resource.id]
                self._record('gone', resource, when)
            else:
                resource.state = STATES[resource.kind][1]
                self._record('ready', resource, when)
        return now

    def _find(self, kind: str, id: str) -> Resource:
        found = self._resources.get(id)
        if found is None or found.kind != kind:
            raise CloudError(404, 'unknown', f'there is no {kind[:-1]} {id}')
        return found

    def _begin_delete(self, resource: Resource, now: float) -> None:
        resource.state = STATES[resource.kind][2]
        resource.since, resource.due = now, now + self._delays.delete
        if resource.key is not None:
            del self._by_key[resource.kind, resource.key]
        self._record('delete', resource, now)

    def _check_attach(self, fields: dict[str, Any], key: str | None, now: float) -> None:
        server = self._find('servers', fields['server_id'])
        volume = self._find('volumes', fields['volume_id'])
        for found in (server, volume):
            if REFUSE_ATTACH in found.fields['name']:
                self._write('refused', 'attachments', None, found.fields['name'], key, now)
                raise CloudError(409, 'refused',
                                 f'{found.kind[:-1]} {found.fields["name"]!r} cannot be attached')
            if found.state != STATES[found.kind][1]:
                raise CloudError(409, 'not_ready', f'{found.kind[:-1]} {found.id} is {found.state}')
        for other in self._resources.values():
            if other.kind == 'attachments' and other.fields['volume_id'] == volume.id:
                raise CloudError(409, 'in_use', f'volume {volume.id} has attachment {other.id}')

    def _record(self, effect: str, resource: Resource, when: float) -> None:
        self._write(effect, resource.kind, resource.id, resource.fields.get('name'), resource.key,
                    when)

    def _write(self, effect: str, kind: str, id: str | None, name: str | None, key: str | None,
               when: float) -> None:
        self._ledger.append({
            'number': len(self._ledger) + 1, 'at': round(when - self._start, 3), 'effect': effect,
            'kind': kind, 'id': id, 'name': name, 'key': key})


def _checked(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return exactly the fields that a create of this kind takes.

    :raises CloudError: malformed (400).
    """
    wanted = FIELDS[kind]
    if set(body) != set(wanted):
        raise CloudError(400, 'malformed', f'a create in {kind} takes {sorted(wanted)}, '
                                           f'not {sorted(map(str, body))}')
    for name, kind_of_value in wanted.items():
        value = body[name]
        if not isinstance(value, kind_of_value) or isinstance(value, bool) or not value:
            raise CloudError(400, 'malformed',
                             f'{name} must be a {kind_of_value.__name__}, not {value!r}')
    return dict(body)
