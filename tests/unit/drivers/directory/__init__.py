# SPDX-License-Identifier: Apache-2.0
"""Tests of tfd_drivers.directory."""
