# SPDX-License-Identifier: Apache-2.0
"""The configuration: oslo.config options, one module per section, read by :mod:`tfd.conf.load`.

A configuration file has the sections ``[DEFAULT]`` (host, logging, shutdown), ``[database]``,
``[coordination]``, ``[conductor]``, ``[client]``, ``[retention]``, ``[secrets]``, ``[healthz]`` and
``[oslo_reports]``.
``etc/tfd/tfd.conf.sample`` lists every option with its help. What cannot be used is refused before
anything is started, by an error that names the file, the option and the value.
"""

from __future__ import annotations

__all__: list[str] = []
