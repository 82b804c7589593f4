# SPDX-License-Identifier: Apache-2.0
"""Fakes, clocks and contract suites, for the tests of flows, drivers and of tfd itself."""
