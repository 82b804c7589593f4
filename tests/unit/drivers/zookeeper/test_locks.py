# SPDX-License-Identifier: Apache-2.0
"""Locks whose release was not answered, and that are taken again."""

from __future__ import annotations

import threading
import types
from typing import Any

import testtools

from tfd import exceptions
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.locks import Locks
from tfd_drivers.zookeeper.paths import Paths

_LIMIT = 10.0


class _Session:
    client = None
    incarnation = 'a/1/f'
    session_id = 'f'
    interval = 0.01

    def lives(self) -> bool:
        return True


class _Locks(Locks):
    """Its server answers no read until :attr:`answers` is set, and is asked for the first time at :attr:`asked`."""

    def __init__(self) -> None:
        super().__init__(_Session(), Paths('/tfd'), 1.0)  # type: ignore[arg-type]
        self.nodes: set[str] = set()
        self.asked, self.go_on, self.answers = threading.Event(), threading.Event(), threading.Event()
        self.loses = False

    def _ask_create(self, name: str, budget: Any) -> Exception | None:
        if name in self.nodes:
            return requests.Exists()
        self.nodes.add(name)
        return None

    def _ask_delete(self, name: str, budget: Any, addition: Any) -> Exception | None:
        self.nodes.discard(name)
        if self.loses:
            raise requests.Unanswered('lost')
        return None

    def _read(self, name: str, budget: Any) -> Any:
        if threading.current_thread() is self._reconciler:
            self.asked.set()
            self.go_on.wait(_LIMIT)
            if not self.answers.is_set():
                raise requests.Unanswered('lost')
        return (b'', types.SimpleNamespace(ephemeralOwner=0xf)) if name in self.nodes else None


class LocksTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.locks = _Locks()
        self.addCleanup(self.locks.close)
        self.locks.acquire('job')
        self.locks.loses = True
        self.locks.release('job')
        self.locks.loses = False
        self.assertTrue(self.locks.asked.wait(_LIMIT))

    def test_is_not_taken_while_it_is_being_resolved(self) -> None:
        self.assertRaises(exceptions.LockHeld, self.locks.acquire, 'job')
        self.locks.answers.set()
        self.locks.go_on.set()

    def test_is_not_removed_once_it_is_taken_again(self) -> None:
        self.locks.go_on.set()
        end = threading.Event()
        for _ in range(1000):
            try:
                self.locks.acquire('job')
                break
            except exceptions.LockHeld:
                end.wait(0.001)
        self.locks.answers.set()
        for _ in range(1000):
            if self.locks._reconciler is None:
                break
            end.wait(0.01)
        self.assertIsNone(self.locks._reconciler)
        self.assertEqual({'job'}, self.locks.nodes)
