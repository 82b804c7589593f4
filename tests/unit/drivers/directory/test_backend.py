# SPDX-License-Identifier: Apache-2.0
"""What the directory has in it when a process died at any point, and what several processes make of it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import fixtures
import testtools

from tfd import engines, exceptions, task
from tfd.patterns import linear_flow
from tfd.persistence import backends, models
from tfd.persistence.record import AtomRecord, Change, DecisionRecord, Entry, FlowRecord
from tfd_drivers.directory import files, flows
from tfd_drivers.directory.backend import DirectoryBackend

_CALLS = ('open', 'write', 'fsync', 'fdatasync', 'replace', 'truncate')
_FLOW = '00000000-0000-4000-8000-000000000001'


class _Killed(BaseException):
    """The process is gone."""


@contextlib.contextmanager
def _dies_at(number: int) -> Iterator[list[str]]:
    """Die before this call of the operating system, in the middle of it where it writes; yield those that were made."""
    made: list[str] = []

    def dying(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            if len(made) == number:
                if name == 'write':
                    real(args[0], args[1][:len(args[1]) // 2])
                raise _Killed
            return real(*args, **kwargs)

        return call

    def unlink(path: pathlib.Path) -> None:
        made.append('unlink')
        if len(made) == number:
            raise _Killed
        os.remove(path)

    with contextlib.ExitStack() as stack:
        for name in _CALLS:
            stack.enter_context(mock.patch.object(files.os, name, dying(name)))
        stack.enter_context(mock.patch.object(pathlib.Path, 'unlink', unlink))
        yield made


class _DirectoryTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.number = 0

    def backend(self) -> DirectoryBackend:
        made = DirectoryBackend({'path': f'{self.path}/{self.number}'})
        self.addCleanup(made.close)
        return made

    def books(self) -> Any:
        return [book.pformat() for book in self.backend().get_connection().get_logbooks()]


class CrashTest(_DirectoryTest):

    def check(self, prepare: Callable[[DirectoryBackend], object], act: Callable[[DirectoryBackend], object],
              look: Callable[[], Any]) -> None:
        """Die at every call in turn: what is there afterwards is what was there before, or all of the change."""
        seen, number = set(), 0
        while True:
            number += 1
            self.number += 1
            prepare(self.backend())
            before = look()
            dying = self.backend()
            with _dies_at(number) as made, contextlib.suppress(_Killed):
                act(dying)
            dying.close()
            after = look()
            seen.add(repr(after))
            if len(made) < number:
                break
            # It can be done again, whatever was left.
            act(self.backend())
            self.assertNotEqual(before, look(), (number, made))
        self.assertGreater(number, 4)
        self.assertEqual({repr(before), repr(after)}, seen)

    def _prepare(self, backend: DirectoryBackend) -> None:
        backend.journal().create(FlowRecord(_FLOW, 'book', 'f', created_at=1.0), [
            AtomRecord(_FLOW, n, f'atom-{n}', f'a{n}', 'task') for n in range(3)])

    def _look(self) -> Any:
        try:
            found = self.backend().journal().load(_FLOW)
        except exceptions.NotFound:
            return None
        return found.flow.state, [(atom.name, atom.state, atom.result) for atom in found.atoms], found.decisions

    def test_a_flow_is_created_or_not(self) -> None:
        self.check(lambda _: None, self._prepare, self._look)

    def test_a_step_is_recorded_or_not(self) -> None:
        entry = Entry(
            _FLOW, changes=[Change(0, ('state', 'result'), ('SUCCESS', '"x"')), Change(1, ('state',), ('RUNNING',))],
            decisions=[DecisionRecord(_FLOW, 's', 1, 'a')], columns=('state',), values=('RUNNING',))
        self.check(self._prepare, lambda backend: backend.journal().append(entry), self._look)

    def test_many_steps_are_put_together_or_not(self) -> None:
        self.useFixture(fixtures.MonkeyPatch('tfd_drivers.directory.flows._STEPS', 3))

        def prepare(backend: DirectoryBackend) -> None:
            self._prepare(backend)
            for n in range(4):
                backend.journal().append(Entry(_FLOW, changes=[Change(n % 3, ('result',), (str(n),))]))

        entry = Entry(_FLOW, changes=[Change(2, ('state',), ('SUCCESS',))])
        self.check(prepare, lambda backend: backend.journal().append(entry), self._look)

    def test_a_book_is_saved_or_not(self) -> None:
        def save(backend: DirectoryBackend) -> None:
            book = models.LogBook('b', _FLOW)
            book.created_at = None
            for n in range(2):
                flow = models.FlowDetail(f'f{n}', f'flow-{n}')
                flow.add(models.TaskDetail('t', f'task-{n}'))
                book.add(flow)
            backend.get_connection().save_logbook(book)

        self.check(lambda _: None, save, lambda: [len(book) for book in self.backend().get_connection().get_logbooks()])

    def test_a_book_is_destroyed_or_not(self) -> None:
        def prepare(backend: DirectoryBackend) -> None:
            self._prepare(backend)
            backend.journal().create(FlowRecord('other', 'book', 'g'), [])

        def destroy(backend: DirectoryBackend) -> None:
            with contextlib.suppress(exceptions.NotFound):
                backend.get_connection().destroy_logbook('book')

        self.check(prepare, destroy, lambda: [len(book) for book in self.backend().get_connection().get_logbooks()])

    def test_a_file_that_another_wrote_anew_is_read_anew_whatever_its_size(self) -> None:
        self.useFixture(fixtures.MonkeyPatch('tfd_drivers.directory.flows._STEPS', 3))
        backend = self.backend()
        self._prepare(backend)
        for n in range(4):
            backend.journal().append(Entry(_FLOW, changes=[Change(n % 3, ('result',), (str(n),))]))
        (path,) = pathlib.Path(self.path).glob('*/book/*.flow')
        size = path.stat().st_size
        other = flows.StoredFlow.read(path.name, path.read_bytes())
        other.flow = dataclasses.replace(other.flow, meta='')
        other.flow = dataclasses.replace(other.flow, meta='x' * (size - len(other.whole())))
        with contextlib.closing(files.Files(path.parent)) as writer, writer.alone():
            writer.change({path.name: other.whole()})
        self.assertEqual(size, path.stat().st_size)
        # The step with which the file is put together again.
        backend.journal().append(Entry(_FLOW, changes=[Change(2, ('state',), ('SUCCESS',))]))
        self.assertEqual(other.flow.meta, self.backend().journal().load(_FLOW).flow.meta)

    def test_a_line_that_was_cut_off_is_not_there(self) -> None:
        self._prepare(self.backend())
        (path,) = pathlib.Path(self.path).glob('*/book/*.flow')
        with path.open('ab') as file:
            file.write(b'00000000 {"set":{"sta')
        before = self._look()
        self.backend().journal().append(Entry(_FLOW, changes=[Change(1, ('state',), ('SUCCESS',))]))
        self.assertNotEqual(before, self._look())
        self.assertNotIn(b'"sta\n', path.read_bytes())


def _steps(path: str, number: int) -> None:
    journal = DirectoryBackend({'path': path}).journal()
    for n in range(50):
        journal.append(Entry(_FLOW, changes=[Change(number, ('result',), (str(n),))]))


class SharingTest(_DirectoryTest):

    def test_processes_of_a_host_take_turns(self) -> None:
        self.backend().journal().create(FlowRecord(_FLOW, 'book', 'f'), [
            AtomRecord(_FLOW, n, f'atom-{n}', f'a{n}', 'task') for n in range(3)])
        with concurrent.futures.ProcessPoolExecutor(3, mp_context=multiprocessing.get_context('spawn')) as pool:
            for done in [pool.submit(_steps, f'{self.path}/{self.number}', n) for n in range(3)]:
                done.result(60)
        found = self.backend().journal().load(_FLOW)
        self.assertEqual(['49'] * 3, [atom.result for atom in found.atoms])

    def test_a_step_adds_a_line(self) -> None:
        backend = self.backend()
        backend.journal().create(FlowRecord(_FLOW, 'book', 'f'), [
            AtomRecord(_FLOW, n, f'atom-{n}', f'a{n}', 'task') for n in range(1000)])
        with _dies_at(0) as made:
            backend.journal().append(Entry(_FLOW, changes=[Change(5, ('result',), ('1',))]))
            backend.journal().append(Entry(_FLOW, changes=[Change(6, ('result',), ('1',))]))
        self.assertEqual(['open', 'write', 'fdatasync'] * 2, made[-6:])
        self.assertLessEqual(len(made), 7)


class _Add(task.Task):

    def execute(self, a: int) -> int:
        return a + 1


class UseTest(_DirectoryTest):

    def test_names_of_taskflow_and_an_engine(self) -> None:
        for name in ('directory', 'dir', 'file'):
            with backends.backend({'connection': name, 'path': f'{self.path}/{name}'}) as backend:
                flow = linear_flow.Flow('f').add(_Add('one', provides='b'))
                engine = engines.load(flow, backend=backend, store={'a': 1})
                engine.run()
                book = next(iter(backend.get_connection().get_logbooks()))
                (detail,) = book
                self.assertEqual('SUCCESS', detail.state)

    def test_a_path_is_needed(self) -> None:
        for conf in ({'connection': 'dir'}, {'connection': 'dir', 'path': 'relative'}):
            self.assertRaises(exceptions.BadConfiguration, backends.fetch, conf)
        made = backends.fetch(f'dir://{self.path}/url')
        made.get_connection().validate()
        self.assertTrue(pathlib.Path(self.path, 'url').is_dir())

    def test_names_that_are_no_uuids(self) -> None:
        for name in ('../x', 'a/b', '*', '%none', str(uuid.uuid4())):
            book = models.LogBook('b', name)
            book.add(models.FlowDetail('f', f'{name}f'))
            self.backend().get_connection().save_logbook(book)
            self.assertEqual(1, len(self.backend().get_connection().get_logbook(name)))
        self.assertEqual(5, len(self.books()))
        self.assertEqual(['0'], os.listdir(self.path))

    def test_a_damaged_file_is_named(self) -> None:
        self.backend().journal().create(FlowRecord(_FLOW, 'book', 'f'), [])
        (path,) = pathlib.Path(self.path).glob('*/book/*.flow')
        path.write_bytes(b'00000000 nonsense\n')
        error = self.assertRaises(exceptions.StorageFailure, self.backend().journal().load, _FLOW)
        self.assertIn(f'{_FLOW}.flow', str(error))
