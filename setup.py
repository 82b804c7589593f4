# SPDX-License-Identifier: Apache-2.0
"""The packages of the distribution; everything else is declared in setup.cfg.

The folder ``drivers`` is installed under the name ``tfd_drivers``, which setuptools'
own search for packages cannot express.
"""

from __future__ import annotations

import setuptools

setuptools.setup(
    packages=[
        *setuptools.find_packages(include=['tfd', 'tfd.*']),
        'tfd_drivers',
        *(f'tfd_drivers.{name}' for name in setuptools.find_packages('drivers')),
    ],
)
