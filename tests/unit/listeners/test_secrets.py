# SPDX-License-Identifier: Apache-2.0
"""No listener writes down what is marked as secret."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

import fixtures
import testtools

from tfd import engines, formatters, states, task
from tfd.engines.base import Engine
from tfd.listeners import base, printing
from tfd.listeners import logging as logging_listeners
from tfd.patterns import linear_flow
from tfd.persistence import backends
from tfd.types.secret import Secret

_PLAIN = 'correct horse'


class _Give(task.Task):
    default_provides = ('made', 'auth_token', 'pin')

    def execute(self, password: str, key: Secret) -> tuple[Secret, str, int]:
        return key, f'{password}-token', 4711

    def revert(self, password: str, **kwargs: Any) -> str:
        return password


class _Fail(task.Task):
    def execute(self, made: Secret, auth_token: str, login: dict[str, str]) -> None:
        try:
            raise KeyError(login)
        except KeyError as err:
            raise ValueError(made.reveal(), auth_token) from err


def _engine() -> Engine:
    backend = backends.fetch({'connection': 'memory', 'secret_names': ['password', 'auth_token', 'pin']})
    store = {'password': f'{_PLAIN}-p', 'key': Secret(f'{_PLAIN}-k'), 'login': {'os_password': f'{_PLAIN}-o'}}
    return engines.load(linear_flow.Flow('f').add(_Give('give'), _Fail('fail')), store=store, backend=backend)


def _run(engine: Engine) -> None:
    with contextlib.suppress(ValueError):
        engine.run()


class ListenersTest(testtools.TestCase):

    def assertMasked(self, text: str) -> None:
        self.assertNotIn('horse', text)
        self.assertNotIn('4711', text)
        self.assertIn('***', text)
        self.assertIn('ValueError', text)

    def logged(self, kind: Any, **options: Any) -> str:
        logger = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        engine = _engine()
        with kind(engine, **options):
            _run(engine)
        return str(logger.output)

    def test_logging(self) -> None:
        self.assertMasked(self.logged(logging_listeners.LoggingListener))

    def test_dynamic_logging(self) -> None:
        text = self.logged(logging_listeners.DynamicLoggingListener)
        self.assertMasked(text)
        self.assertIn('Traceback', text)
        self.assertIn("'login': {'os_password': '***'}", self.predecessors())

    def predecessors(self) -> str:
        """Return what is told of an atom's arguments and results."""
        engine = _engine()
        told: list[str] = []

        class Listener(base.Listener):
            def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
                if state == states.FAILURE:
                    formatter = formatters.FailureFormatter(engine)
                    for name in ('give', 'fail'):
                        plan = engine.plan  # type: ignore[attr-defined]
                        node = formatters.Node(plan.atoms[plan.by_name[name]], {'kind': 'task'})
                        told.append(formatter._format_node(engine.storage, {}, node))

        with Listener(engine):
            _run(engine)
        text = '\n'.join(told)
        self.assertNotIn('horse', text)
        self.assertNotIn('4711', text)
        return text

    def test_printing(self) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            engine = _engine()
            with printing.PrintingListener(engine):
                _run(engine)
        self.assertMasked(out.getvalue())
