# SPDX-License-Identifier: Apache-2.0
"""Drivers of tfd, one folder per technology; loaded by entry point, never imported by the core."""
