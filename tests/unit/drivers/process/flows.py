# SPDX-License-Identifier: Apache-2.0
"""Tasks that worker processes can import."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
from typing import Any, ClassVar

from tfd import retry, task

STEP = 'step'


class Where(task.Task):
    """Provides the process in which it ran."""

    def execute(self) -> int:
        return os.getpid()


class Takes(task.Task):
    def execute(self, value: Any) -> Any:
        return value


class TakesBack(Takes):
    """Its revert takes what its execute takes, and fails."""

    def revert(self, value: Any, **kwargs: Any) -> None:
        raise ValueError(f'reverted with {value}')


def refuse() -> None:
    raise ValueError('cannot be read here')


class Unreadable:
    """Can be pickled, and not be made again."""

    def __reduce__(self) -> Any:
        return refuse, ()


class Key(task.Task):
    default_provides = 'key'

    def execute(self, tfd_idempotency_key: str) -> str:
        return tfd_idempotency_key


class Locked(task.Task):
    """Has something that cannot be pickled."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lock = threading.Lock()

    def execute(self) -> None:
        """Do nothing."""


class ReturnsLock(task.Task):
    def execute(self) -> Any:
        return threading.Lock()


class LockedError(Exception):
    def __init__(self) -> None:
        super().__init__('with a lock')
        self.lock = threading.Lock()


class Raises(task.Task):
    def __init__(self, name: str, error: type[BaseException], *args: Any) -> None:
        super().__init__(name)
        self.error = error
        self.args = args

    def execute(self) -> None:
        try:
            raise KeyError('before')
        except KeyError as err:
            raise self.error(*self.args) from err


class Dies(task.Task):
    """Takes its process down: at once, or where there is a path only where nothing is there yet."""

    def __init__(self, name: str, path: str = '', by_signal: bool = False) -> None:
        super().__init__(name, provides=name)
        self.path = path
        self.by_signal = by_signal

    def execute(self) -> str:
        if self.path:
            if pathlib.Path(self.path).exists():
                return 'alive'
            pathlib.Path(self.path).touch()
        if self.by_signal:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(3)


class Tells(task.Task):
    TASK_EVENTS: ClassVar[tuple[str, ...]] = (task.EVENT_UPDATE_PROGRESS, STEP)

    def execute(self) -> None:
        self.update_progress(0.25)
        self.notifier.notify(STEP, {'number': 1})
        self.notifier.notify(STEP, {'number': threading.Lock()})
        self.notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'of': 'it'})


class Undone(task.Task):
    """Writes down what its revert is told, and where."""

    value: Any = 'made'.lower

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.path = path

    def execute(self) -> Any:
        return self.value()

    def revert(self, result: Any, flow_failures: Any, **kwargs: Any) -> None:
        told = ' '.join(f'{name} {failure.exception_str}' for name, failure in flow_failures.items())
        pathlib.Path(self.path).write_text(f'{os.getpid()} {result} {told}')


class HereRetry(retry.Times):
    """Provides the process in which it ran."""

    def execute(self, history: Any, *args: Any, **kwargs: Any) -> int:
        return os.getpid()
