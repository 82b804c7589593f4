# SPDX-License-Identifier: Apache-2.0
"""Post jobs, look at them, and wait for them: what an API service uses of tfd."""

from __future__ import annotations

from tfd.client.client import Client, Posting

__all__ = ['Client', 'Posting']
