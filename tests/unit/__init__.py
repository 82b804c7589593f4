# SPDX-License-Identifier: Apache-2.0
"""Tests without a server; the folders mirror those of the code."""
