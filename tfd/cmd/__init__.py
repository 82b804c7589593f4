# SPDX-License-Identifier: Apache-2.0
"""The commands: ``tfd``, ``tfd-conductor``, ``tfd-manage`` and ``tfd-status``.

All of them read the same configuration (``--config-file``, ``--config-dir``), print errors of one line
on standard error, and end with one of the statuses of :mod:`tfd.cmd.exits`.
"""

from __future__ import annotations

__all__: list[str] = []
