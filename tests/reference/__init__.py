# SPDX-License-Identifier: Apache-2.0
"""A slow and obvious account of how a flow runs, to test the fast one against."""
