# SPDX-License-Identifier: Apache-2.0
"""Jobs, and the board that they are on: a job store in SQL and a coordinator."""

from __future__ import annotations

__all__: list[str] = []
