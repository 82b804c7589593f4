# SPDX-License-Identifier: Apache-2.0
"""Conductors: claim jobs, load their flows, run them, settle them."""

from __future__ import annotations

__all__: list[str] = []
