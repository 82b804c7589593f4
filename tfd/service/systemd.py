# SPDX-License-Identifier: Apache-2.0
"""What is told to systemd: sd_notify(3), of which a datagram is all there is."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import MutableMapping

__all__ = ['Notifier']

LOG = logging.getLogger(__name__)


class Notifier:
    """Tells the service manager how the daemon is; nobody where no service manager asked.

    :param environment: as the service manager made it. ``NOTIFY_SOCKET`` is taken out, so that nothing else in this
        process, or started by it, says anything.
    :ivar interval: seconds between two signs of life, a third of what the service manager waits for; None where it
        does not watch.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        name = environment.pop('NOTIFY_SOCKET', '')
        self._address = f'\0{name[1:]}' if name.startswith('@') else name
        watched = environment.pop('WATCHDOG_USEC', '')
        self.interval = int(watched) / 3e6 if self._address and watched.isdecimal() and int(watched) else None
        environment.pop('WATCHDOG_PID', None)

    def __bool__(self) -> bool:
        """Tell whether anybody asked."""
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``. Never blocks, never raises."""
        if not self._address:
            return
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as sender:
            sender.setblocking(False)
            try:
                sender.sendto('\n'.join(lines).encode(), self._address)
            except OSError as err:
                LOG.debug('the service manager could not be told: %s', err)
