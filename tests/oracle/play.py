# SPDX-License-Identifier: Apache-2.0
"""Plays a spec on the engines of a package that has TaskFlow's API, and writes down all that can be seen of it.

Used in two processes: by the tests with tfd, by `tests.oracle.worker` with TaskFlow. What it returns is plain data.

The parallel engine gets an executor that runs one call at a time, chosen by the name of its atom, when the engine
waits; so the order of its calls is the same in both packages. A call that was handed over counts as running: it cannot
be withdrawn.
"""

from __future__ import annotations

import functools
import importlib
import json
import zlib
from concurrent import futures
from typing import Any

from tests.reference.against_taskflow import Repeating
from tests.reference.build import Call, build, modules_of
from tests.reference.shape import Shape
from tests.reference.spec import Script, Spec

__all__ = ['ENDS', 'MOST_LIVES', 'Player', 'Trace']

#: The states in which a call of an atom ends, and the call.
ENDS = {'SUCCESS': 'execute', 'FAILURE': 'execute', 'REVERTED': 'revert', 'REVERT_FAILURE': 'revert'}

#: A flow that has not ended after so many runs never will.
MOST_LIVES = 100

_STORED = {'values': [7, 8]}

#: What was seen: ``entries`` in their order, and what there is at the end.
#:
#: An entry is a list whose first item says what it is: ``call``, kind, name, number, what it was given, whether it
#: succeeded, its outcome and a mark ('phantom', 'again' or ''); ``note``, atom, old state, new state, result; ``flow``,
#: old state, new state; ``suspend``, asked for after the call before it; ``life``, a run begins.
Trace = dict[str, Any]


class Player:
    """One play of a spec; for one use.

    :param package: ``taskflow`` or ``tfd``.
    :param kind: of the engine: ``serial`` or ``parallel``.
    :ivar entries: what has been seen up to now.
    """

    def __init__(self, spec: Spec, package: str, kind: str) -> None:
        self.spec, self.package, self.kind = spec, package, kind
        self.modules = modules_of(package)
        self.entries: list[list[Any]] = []
        self.script: Script = Repeating(spec) if package == 'taskflow' else Script(spec)
        self.executor = _Stepping(self)
        self.engine: Any = None
        self.names = Shape(spec.flow).atoms
        #: The number of the wave of TaskFlow's serial engine.
        self.wave = 0
        self._models = importlib.import_module(f'{package}.persistence.models')
        self._backend: Any = None
        self._ids: tuple[str, str] = ('', '')

    def play(self) -> Trace:
        """Play to the end, through every suspend."""
        try:
            trace = self._played()
        finally:
            # Also of a play that took too long: the next one has the same UUID.
            if self._backend is not None:
                self._backend.get_connection().destroy_logbook(self._ids[0])
        # As the other process gives it: without tuples.
        plain: Trace = json.loads(json.dumps(trace))
        return plain

    def _played(self) -> Trace:
        error: BaseException | None = None
        try:
            self._load()
            for _ in range(MOST_LIVES):
                self._live()
                if self.engine.storage.get_flow_state() != 'SUSPENDED':
                    break
                self._go_on()
        except Exception as caught:
            error = caught
        return {'entries': self.entries, 'error': self._described(error), **self._end()}

    # -- lives -------------------------------------------------------------------------------------

    def _load(self) -> None:
        flow = build(self.spec, self.modules, self, self.script)  # type: ignore[arg-type]  # it has append
        options: dict[str, Any] = {}
        if self.kind == 'parallel':
            options['executor'] = self.executor
        if self.spec.reloads:
            options.update(self._place(flow.name))
        self.engine = self.modules.engines.load(
            flow, store={name: _STORED.get(name, 'stored') for name in self.spec.store}, engine=self.kind,
            never_resolve=self.spec.never_resolve, defer_reverts=self.spec.defer_reverts, **options)
        self.engine.compile()
        self.engine.atom_notifier.register('*', self._atom)
        self.engine.notifier.register('*', self._flow)
        self.loaded()

    def loaded(self) -> None:
        """Do what there is to do with a new engine."""

    def _place(self, name: str) -> dict[str, Any]:
        """Return where the flow is recorded; read anew each time."""
        if self._backend is None:
            self._backend = _backend(self.package)
            book, detail = self._models.LogBook('book'), self._models.FlowDetail(name, uuid='0b' * 16)
            book.add(detail)
            self._backend.get_connection().save_logbook(book)
            self._ids = book.uuid, detail.uuid
        book = self._backend.get_connection().get_logbook(self._ids[0])
        return {'backend': self._backend, 'book': book, 'flow_detail': book.find(self._ids[1])}

    def _live(self) -> None:
        self.entries.append(['life'])
        self.live()

    def live(self) -> None:
        """Run once."""
        waves = _Waves(self)
        for step in self.engine.run_iter():
            if step == 'SCHEDULING' and isinstance(self.script, Repeating):
                self.script.resuming = False
            if self.kind == 'serial':
                waves.seen(step)
            elif step == 'WAITING':
                self.executor.step()

    def _go_on(self) -> None:
        if isinstance(self.script, Repeating):
            self.script.resuming = True
        if self.spec.reloads:
            self._load()

    # -- what is seen ------------------------------------------------------------------------------

    def append(self, call: Call) -> None:
        """Take a call of an atom's or a decider's code."""
        number = self.script.calls[call.kind, call.name]
        mark = 'phantom' if call.phantom else ''
        if call.kind in ('ask', 'decide') and getattr(self.script, 'resuming', False):
            mark = 'again'
        self.entries.append(
            ['call', call.kind, call.name, number, call.given, call.succeeded, call.outcome, mark])
        if not mark:
            self.executor.at_once |= call.kind in ('execute', 'revert') and call.name.startswith('r')
            self.called(call.kind, call.name, number)

    def called(self, kind: str, name: str, number: int) -> None:
        """Take a call that is under way: it may ask for a suspend."""
        if (kind, name, number) in self.spec.suspends_in:
            self.suspend()

    def suspend(self) -> None:
        """Ask for a suspend."""
        self.entries.append(['suspend'])
        self.engine.suspend()

    def _atom(self, state: str, details: Any) -> None:
        name = details.get('task_name') or details.get('retry_name')
        self.entries.append(['note', name, details['old_state'], state, self._text(details.get('result'))])

    def _flow(self, state: str, details: Any) -> None:
        self.entries.append(['flow', details['old_state'], state])

    def _text(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._text(item) for item in value]
        return value.exception_str if isinstance(value, self.modules.failure.Failure) else value

    # -- the end -----------------------------------------------------------------------------------

    def _described(self, error: BaseException | None) -> Any:
        """Return type, text and members of what was raised."""
        if error is None:
            return None
        if isinstance(error, self.modules.exceptions.WrappedFailure):
            return ['WrappedFailure', '', sorted(failure.exception_str for failure in error)]
        own = type(error).__module__.startswith(self.package)
        # The messages of the two packages' own errors differ.
        return [type(error).__name__, '' if own else str(error), []]

    def _end(self) -> Trace:
        if self.engine is None or self.engine.storage.get_flow_state() in (None, 'PENDING'):
            return {'flow': None}
        storage = self.engine.storage
        # A target leaves out what it does not need.
        names = [name for name in self.names if self._read(storage.get_atom_state, name) != ['NotFound']]
        found = storage.get_atoms_states(names)
        retries = [name for name in names if name.startswith('r')]
        return {
            'flow': storage.get_flow_state(),
            'states': {name: state for name, (state, _) in found.items()},
            'intentions': {name: intention for name, (_, intention) in found.items()},
            'results': {name: self._read(storage.get, name) for name in names if name not in retries},
            'histories': {name: self._history(name) for name in retries},
            'reverts': {name: self._read(storage.get_revert_result, name) for name in names},
            'failures': self._texts(storage.get_execute_failures()),
            'revert failures': self._texts(storage.get_revert_failures()),
            # Those of several providers come in no order.
            'symbols': {
                name: sorted(self._text(value), key=str) if isinstance(value, list) else self._text(value)
                for name, value in storage.fetch_all().items()},
        }

    def _read(self, read: Any, name: str) -> Any:
        try:
            return self._text(read(name))
        except Exception as error:
            return [type(error).__name__]

    def _history(self, name: str) -> Any:
        history = self.engine.storage.get_retry_history(name)
        return [[self._text(result), self._texts(failures)] for result, failures in history]

    def _texts(self, failures: Any) -> dict[str, str]:
        return {name: self._text(failure) for name, failure in failures.items()}


@functools.cache
def _backend(package: str) -> Any:
    """Return where all flows of this process are recorded: to make the tables takes longer than to play a flow."""
    backends = importlib.import_module(f'{package}.persistence.backends')
    # In memory tfd keeps the very objects, and TaskFlow copies: what comes back from SQL has lost as much.
    backend = backends.fetch({'connection': 'sqlite://' if package == 'tfd' else 'memory'})
    backend.get_connection().upgrade()
    return backend


class _Waves:
    """Counts the waves of TaskFlow's serial engine, and asks for the suspends that they are numbered for.

    The engine runs a whole wave in any case; so it does not matter when in the wave it is asked. It is noted after the
    last call, which is where tfd is asked.
    """

    def __init__(self, player: Player) -> None:
        self._player = player
        self._begin = 0

    def seen(self, step: str) -> None:
        """Take what the engine is about to do."""
        player = self._player
        if step == 'SCHEDULING':
            self._begin = len(player.entries)
        elif step == 'WAITING':
            player.wave += 1
            if player.wave in player.spec.suspends and any(_is_real(entry) for entry in player.entries[self._begin:]):
                player.suspend()


def _is_real(entry: list[Any]) -> bool:
    return entry[0] == 'call' and entry[1] in ('execute', 'revert') and not entry[7]


class _Stepping(futures.ThreadPoolExecutor):
    """Runs one call at a time, when it is told to, in the thread that tells it."""

    def __init__(self, player: Player) -> None:
        super().__init__(1)
        self._player = player
        self._pending: list[tuple[str, Any, Any]] = []
        #: Whether some call has ended without this executor since the last step.
        self.at_once = False

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Take a call; those of retries TaskFlow does not hand to executors, but makes at once."""
        future: futures.Future[Any] = futures.Future()
        future.set_running_or_notify_cancel()
        names = [arg.name for arg in args if hasattr(arg, 'pre_execute')]
        name = str(names[0]) if names else ''

        def call() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        if name.startswith('r'):
            call()
        else:
            self._pending.append((name, future, call))
        return future

    def step(self) -> None:
        """Run one call, unless something has ended already."""
        if self._pending and not self.at_once:
            chosen = min(self._pending, key=self._turn)
            self._pending.remove(chosen)
            chosen[2]()
        self.at_once = False

    def _turn(self, pending: tuple[str, Any, Any]) -> tuple[int, str]:
        name = pending[0]
        calls = self._player.script.calls
        number = calls['execute', name] + calls['revert', name]
        return zlib.crc32(f'{name} {number}'.encode()), name
