# SPDX-License-Identifier: Apache-2.0
"""What is kept of a flow has no secret of it in plain text, and flows without secrets look for none."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any
from unittest import mock

import fixtures
import testtools

from tfd import engines, exceptions, retry, states, task
from tfd.engines.base import Engine
from tfd.patterns import linear_flow
from tfd.persistence import backends, models
from tfd.persistence.sealing import generate_key
from tfd.types.secret import Secret, Veil

_PLAIN = 'correct horse'


class _Make(task.Task):
    default_provides = 'made'

    def execute(self) -> Secret:
        return Secret(_PLAIN)


class _Tell(task.Task):
    """Fails, and says what it was given; in its revert too."""

    def execute(self, given: Any) -> None:
        raise ValueError(f'not with {getattr(given, "reveal", lambda: given)()}')

    def revert(self, given: Any, **kwargs: Any) -> None:
        raise RuntimeError(_PLAIN)


class _Public(task.Task):
    def execute(self) -> dict[str, str]:
        return {'a': 'b'}


def _texts(engine: Engine) -> str:
    failures = engine.storage.get_failures().values()
    return ' '.join(failure.pformat(traceback=True) for failure in failures)


class FailuresTest(testtools.TestCase):

    def failed(self, *atoms: Any, backend: Any = None, transient: dict[str, Any] | None = None, **store: Any) -> Engine:
        engine = engines.load(linear_flow.Flow('f').add(*atoms), store=store, backend=backend)
        if transient:
            engine.storage.inject(transient, transient=True)
        with contextlib.suppress(ValueError, RuntimeError, exceptions.WrappedFailure):
            engine.run()
        return engine

    def assertMasked(self, engine: Engine) -> None:
        self.assertNotIn(_PLAIN, _texts(engine))
        self.assertIn('***', _texts(engine))

    def test_of_an_input(self) -> None:
        self.assertMasked(self.failed(_Tell('t'), given=Secret(_PLAIN)))

    def test_of_an_input_that_is_kept_here_only(self) -> None:
        self.assertMasked(self.failed(_Tell('t'), transient={'given': Secret(_PLAIN)}))

    def test_of_an_atoms_own_input(self) -> None:
        self.assertMasked(self.failed(_Tell('t', inject={'given': Secret(_PLAIN)})))

    def test_of_a_result(self) -> None:
        self.assertMasked(self.failed(_Make(), _Tell('t', rebind={'given': 'made'})))

    def test_of_what_is_secret_by_its_name(self) -> None:
        backend = backends.fetch({'connection': 'memory', 'secret_names': ['password']})
        self.assertMasked(self.failed(_Tell('t', rebind={'given': 'password'}), backend=backend, password=_PLAIN))

    def test_the_exception_is_raised_as_it_was(self) -> None:
        engine = engines.load(linear_flow.Flow('f').add(_Tell('t')), store={'given': Secret(_PLAIN)})
        err = self.assertRaises(RuntimeError, engine.run)
        self.assertEqual(_PLAIN, str(err))

    def test_of_a_flow_that_is_resumed(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        conf = {'connection': f'dir://{folder}', 'secret_keys': [generate_key()]}
        book, detail = models.LogBook('b'), models.FlowDetail('f')
        book.add(detail)
        with contextlib.closing(backends.fetch(conf)) as backend:
            backend.get_connection().save_logbook(book)
            first = engines.load(linear_flow.Flow('f').add(_Make()), flow_detail=detail, book=book, backend=backend)
            first.run()
        with contextlib.closing(backends.fetch(conf)) as backend:
            (detail,) = backend.get_connection().get_flows_for_book(book.uuid)
            second = engines.load(linear_flow.Flow('f').add(_Make()), flow_detail=detail, book=book, backend=backend)
            second.prepare()
            self.assertEqual(Secret(_PLAIN), second.storage.get('tests.unit.storage.test_veiling._Make'))
            self.assertEqual('***', second.storage.veil.text(_PLAIN))


class RecordedTest(testtools.TestCase):

    def test_results_by_name_stay_encrypted_where_their_detail_is_saved_again(self) -> None:
        folder = self.useFixture(fixtures.TempDir())
        backend = backends.fetch({
            'connection': f'dir://{folder.path}', 'secret_keys': [generate_key()], 'secret_names': ['token']})
        self.addCleanup(backend.close)
        book = models.LogBook('b')
        flow = linear_flow.Flow('f', retry.ForEach([_PLAIN], 'r', provides='tokens')).add(
            task.FunctorTask(lambda: _PLAIN, name='a', provides='token'))
        engine = engines.load(flow, book=book, backend=backend)
        engine.run()
        self.assertEqual(_PLAIN, engine.storage.fetch('token'))
        connection = backend.get_connection()
        found = connection.get_logbook(book.uuid)
        self.assertEqual([_PLAIN], [atom.results for flow in found for atom in flow if atom.name == 'a'])
        for change in (None, 'another'):
            for atom in (atom for flow in found for atom in flow):
                atom.results = change or atom.results
                if atom.name == 'a':
                    connection.update_atom_details(atom)
            stored = ''.join(
                path.read_text() for path in pathlib.Path(folder.path).rglob('*') if path.is_file())
            self.assertNotIn(_PLAIN, stored)
            self.assertNotIn('another', stored)

    def test_a_secret_without_a_key_fails_the_task_that_returned_it(self) -> None:
        backend = backends.fetch(f'dir://{self.useFixture(fixtures.TempDir()).path}')
        self.addCleanup(backend.close)
        engine = engines.load(linear_flow.Flow('f').add(_Make('make')), backend=backend)
        err = self.assertRaises(exceptions.NoSecretKey, engine.run)
        self.assertIn("result of atom 'make'", str(err))
        self.assertEqual(states.REVERTED, engine.storage.get_flow_state())


class CostTest(testtools.TestCase):

    def test_nothing_is_looked_for_where_there_are_no_secrets(self) -> None:
        self.addCleanup(setattr, Secret, 'made', Secret.made)
        Secret.made = False
        with mock.patch.object(Veil, 'learn') as learn, mock.patch.object(Veil, 'text') as text:
            engines.run(linear_flow.Flow('f').add(_Public('a'), _Public('b')), store={'given': 1}, backend='memory')
        self.assertEqual((0, 0), (learn.call_count, text.call_count))
