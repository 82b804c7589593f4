# SPDX-License-Identifier: Apache-2.0
"""Removes the demo's temporary folder where the demo itself was killed and cannot."""

from __future__ import annotations

import os
import pathlib
import subprocess

__all__ = ['Sweeper']


class Sweeper:
    """Waits until this process, and all that hold ``token``, have ended; then removes a folder.

    :ivar token: a file descriptor for those to inherit who use the folder.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        end, self.token = os.pipe()
        try:
            # Nobody writes: the end of the input is the end of the last process.
            self._shell = subprocess.Popen(
                ['sh', '-c', 'read -r _; rm -rf -- "$1"', 'sh', folder], stdin=end,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        finally:
            os.close(end)

    def dismiss(self) -> None:
        """Leave the folder there."""
        self._shell.kill()
        self._shell.wait()
        os.close(self.token)
