# SPDX-License-Identifier: Apache-2.0
"""A process that has TaskFlow: takes specs as lines of JSON, answers each with its trace, or with ``failed``.

Started as ``python -m tests.oracle.worker`` from the top of the repository.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
import types

from tests.oracle import play, wire

#: For one spec: TaskFlow runs some for ever.
_SECONDS = 20


def main() -> int:
    """Answer until standard input ends."""
    logging.disable(logging.CRITICAL)
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w', buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    signal.signal(signal.SIGALRM, _overtime)
    for line in sys.stdin:
        order = json.loads(line)
        signal.alarm(_SECONDS)
        try:
            answer = play.Player(wire.decode(order['spec']), 'taskflow', order['kind']).play()
        except BaseException:
            answer = {'failed': traceback.format_exc()}
        signal.alarm(0)
        out.write(json.dumps(answer) + '\n')
    return 0


class _Overtime(BaseException):
    """It took too long."""


def _overtime(number: int, frame: types.FrameType | None) -> None:
    raise _Overtime


if __name__ == '__main__':
    sys.exit(main())
