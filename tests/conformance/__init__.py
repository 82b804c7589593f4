# SPDX-License-Identifier: Apache-2.0
"""Runs the unit tests of a TaskFlow wheel, wherever that is installed, on tfd. See tools/conformance."""
