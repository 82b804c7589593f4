# SPDX-License-Identifier: Apache-2.0
"""Engines: run flows, or go on with them."""

from tfd.engines.loading import (
    flow_from_detail,
    load,
    load_from_detail,
    load_from_factory,
    run,
    save_factory_details,
)

__all__ = [
    'flow_from_detail', 'load', 'load_from_detail', 'load_from_factory', 'run', 'save_factory_details',
]
