# SPDX-License-Identifier: Apache-2.0
"""Flows that are careless with their secrets: they tell them in errors and in their progress."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

from tfd import retry, task
from tfd.patterns import linear_flow
from tfd.types.secret import Secret

__all__ = ['careless', 'derived']


def derived(secret: str) -> str:
    """Return what a task makes of a secret: one too."""
    return f'{secret[::-1]}-made'


class _Make(task.Task):
    """Returns a secret, tells another."""

    default_provides = 'made'

    def execute(self, admin_password: str, key: Secret, options: Mapping[str, Any]) -> Secret:
        self.notifier.notify(
            task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'told': f'with {admin_password} and {key.reveal()}'})
        return Secret({'made': derived(key.reveal())})

    def revert(self, admin_password: str, options: Mapping[str, Any], **kwargs: Any) -> Secret:
        if options['ends'] == 'revert_failure':
            raise RuntimeError(f'not with {admin_password}') from KeyError(options['login']['db_password'])
        return Secret(admin_password)


class _Token(task.Task):
    """Returns what is secret by its name, and something beside it."""

    default_provides = ('auth_token', 'endpoint')

    def execute(self, admin_password: str) -> tuple[str, str]:
        return derived(admin_password), 'http://endpoint'


class _Wait(task.Task):
    """Waits for a file, if there is to be one."""

    def execute(self, options: Mapping[str, Any]) -> None:
        if options['ends'] != 'waits':
            return
        folder = pathlib.Path(options['folder'])
        (folder / 'waits').touch()
        while not (folder / 'go on').exists():
            time.sleep(0.05)


class _Fail(task.Task):
    """Fails at the first value of its retry, or always, and says all it knows."""

    def execute(
        self, admin_password: str, key: Secret, made: Secret, auth_token: str, value: Secret, values: list[Secret],
        options: Mapping[str, Any],
    ) -> None:
        if value == values[-1] and options['ends'] in ('success', 'waits'):
            return
        known = {'p': admin_password, 'd': options['login']['db_password'], 'b': key.reveal().encode()}
        try:
            raise KeyError(made.reveal()['made'], known)
        except KeyError as err:
            raise ValueError(f'{auth_token} {value.reveal()!r}', known, key) from err


def careless() -> linear_flow.Flow:
    """Return a flow of inputs ``admin_password``, ``key``, ``values`` and ``options``."""
    guarded = linear_flow.Flow('guarded', retry=retry.ParameterizedForEach(name='each', provides='value'))
    return linear_flow.Flow('careless').add(_Token('token'), _Wait('wait'), guarded.add(_Make('make'), _Fail('fail')))
