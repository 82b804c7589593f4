# SPDX-License-Identifier: Apache-2.0
"""Posts, claims and consumes jobs with one library on one ZooKeeper, and tells how fast.

Started as ``python board_worker.py LIBRARY HOSTS``; the library is ``kazoo`` (raw writes), ``tfd`` or ``taskflow``.
Writes one line of JSON about itself, then one for each line that it reads, ``WHAT NUMBER``:

``fill N``
    Has N jobs wait on the board, put there without the library. ``{}``
``cycle N``
    N times: post a job, claim it, consume it; of kazoo: create a node, set it, delete it. ``{"rate": per second}``
``found N``
    N times: post a job, and claim and consume the first of the board's. tfd only.
"""

from __future__ import annotations

import collections
import importlib.metadata
import json
import platform
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import kazoo.client

Measure = Callable[[int], dict[str, float]]

_UNDER_WAY = 500
_ROOT = f'/bench/{uuid.uuid4().hex}'


def connect(hosts: str) -> Any:
    """Return a client of kazoo's."""
    client = kazoo.client.KazooClient(hosts)
    client.start()
    return client


def pipelined(client: Any, calls: Any) -> None:
    """Create nodes, many at once."""
    pending: collections.deque[Any] = collections.deque()
    for path, data, sequence in calls:
        pending.append(client.create_async(path, data, sequence=sequence))
        if len(pending) >= _UNDER_WAY:
            pending.popleft().get()
    for one in pending:
        one.get()


def rate(count: int, cycle: Callable[[], None]) -> dict[str, float]:
    """Return how often a second something is done."""
    for _ in range(5):
        cycle()
    began = time.perf_counter()
    for _ in range(count):
        cycle()
    return {'rate': count / (time.perf_counter() - began)}


def job(name: str = 'waiting') -> bytes:
    """Return a job as both libraries write it."""
    return json.dumps({
        'uuid': str(uuid.uuid4()), 'name': name, 'priority': 'NORMAL', 'details': {'flow_uuid': str(uuid.uuid4())},
    }).encode()


def raw(hosts: str) -> dict[str, Measure]:
    """Return how kazoo is measured: three writes, one after the other."""
    client = connect(hosts)
    client.ensure_path(_ROOT)
    data = job()

    def cycle() -> None:
        path = client.create(f'{_ROOT}/node', data, sequence=True)
        client.set(path, data)
        client.delete(path)

    return {'cycle': lambda count: rate(count, cycle)}


def tfd(hosts: str) -> dict[str, Measure]:
    """Return how tfd is measured."""
    from tfd.jobs import backends
    from tfd_drivers.zookeeper.board import layout
    board: Any = backends.fetch('bench', {'board': 'zookeeper', 'hosts': hosts, 'path': f'{_ROOT}/jobs'})
    board.connect()

    def waiting(count: int) -> Any:
        for number in range(count):
            data = job()
            uuid_hex = json.loads(data)['uuid'].replace('-', '')
            page = number // layout.PAGE_SIZE
            path = board._connection.layout.page(page)
            if page and number % layout.PAGE_SIZE == 0:
                yield path, b'', False
            yield f'{path}/job-2-{uuid_hex}-', data, True

    def fill(count: int) -> dict[str, float]:
        client = connect(hosts)
        pipelined(client, waiting(count))
        client.stop()
        client.close()
        assert board.job_count == count, board.job_count
        return {}

    def cycle() -> None:
        posted = board.post('job', details={'flow_uuid': str(uuid.uuid4())})
        board.claim(posted, 'me')
        board.consume(posted, 'me')

    def found() -> None:
        board.post('job', details={'flow_uuid': str(uuid.uuid4())})
        first = next(board.iterjobs(only_unclaimed=True))
        board.claim(first, 'me')
        board.consume(first, 'me')

    return {
        'fill': fill, 'cycle': lambda count: rate(count, cycle), 'found': lambda count: rate(count, found)}


def taskflow(hosts: str) -> dict[str, Measure]:
    """Return how TaskFlow is measured."""
    from taskflow.jobs import backends
    path = f'{_ROOT}/jobs'
    conf = {'board': 'zookeeper', 'hosts': hosts, 'path': path}
    boards: list[Any] = []

    def fill(count: int) -> dict[str, float]:
        client = connect(hosts)
        client.ensure_path(path)
        pipelined(client, ((f'{path}/job', job(), True) for _ in range(count)))
        client.stop()
        client.close()
        board = backends.fetch('bench', conf)
        board.connect()
        assert len(list(board.iterjobs(ensure_fresh=True))) == count
        boards.append(board)
        return {}

    def cycle() -> None:
        (board,) = boards
        posted = board.post('job', details={'flow_uuid': str(uuid.uuid4())})
        board.claim(posted, 'me')
        board.consume(posted, 'me')

    return {'fill': fill, 'cycle': lambda count: rate(count, cycle)}


def main() -> None:
    """Measure what standard input asks for."""
    library, hosts = sys.argv[1:]
    measures = {'kazoo': raw, 'tfd': tfd, 'taskflow': taskflow}[library](hosts)
    print(json.dumps({
        'version': importlib.metadata.version(library), 'python': platform.python_version()}), flush=True)
    for line in sys.stdin:
        what, number = line.split()
        print(json.dumps(measures[what](int(number))), flush=True)


if __name__ == '__main__':
    main()
