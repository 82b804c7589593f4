# SPDX-License-Identifier: Apache-2.0
"""What is known of a run: states, results, failures and inputs, recorded step by step."""

from tfd.storage.byhand import Storage

__all__ = ['Storage']
