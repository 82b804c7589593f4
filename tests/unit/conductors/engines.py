# SPDX-License-Identifier: Apache-2.0
"""An engine that does what a test tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.unit.jobs.stores import FaultyStore
from tfd import exceptions, flow, states
from tfd.jobs.claim import ClaimedJob
from tfd.patterns import linear_flow
from tfd.types.secret import Veil


class FakeFactories:
    """Makes an empty flow for every name but those in ``broken``."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}

    def make(self, name: str) -> flow.Flow:
        if name in self.broken:
            raise self.broken[name]
        return linear_flow.Flow(name)


class FakeEngine:
    """Settles as the real one does: through ``ownership.settlement``, in one write of the store.

    :ivar steps: what was called, in order.
    :ivar at: what to do at a step, by its name: raise, wait, or nothing.
    :ivar ends_in: the state that the flow comes to rest in.
    """

    def __init__(self, store: FaultyStore, claimed: ClaimedJob) -> None:
        self.steps: list[str] = []
        self.at: dict[str, Callable[[], object]] = {}
        self.ends_in = states.SUCCESS
        self.injected: dict[str, Any] = {}
        self.storage = self
        self.veil = Veil()
        self.suspended = threading.Event()
        self._store = store
        self._claimed = claimed

    def _step(self, name: str) -> None:
        self.steps.append(name)
        self.at.get(name, lambda: None)()

    def inject(self, pairs: Mapping[str, Any], transient: bool = False) -> None:
        assert transient
        self.injected.update(pairs)
        self._step('inject')

    def running_atoms(self) -> list[str]:
        return ['atom'] if self.steps[-1:] == ['run'] else []

    def compile(self) -> None:
        self._step('compile')

    def prepare(self) -> None:
        self._step('prepare')

    def validate(self) -> None:
        self._step('validate')

    def suspend(self) -> None:
        if 'compile' not in self.steps:
            raise exceptions.InvalidState('not compiled')
        self.steps.append('suspend')
        self.suspended.set()

    def run(self) -> None:
        self._step('run')
        self._claimed.check()
        if self.suspended.is_set():
            self.ends_in = states.SUSPENDED
        settlement = self._claimed.settlement(self.ends_in, [])
        assert settlement is not None
        self._step('settle')
        self._store.settle(self._claimed.fence, settlement)
        self._step('settled')


def raising(err: BaseException) -> Callable[[], object]:
    """Return a function that raises ``err``."""
    def fail() -> None:
        raise err
    return fail
