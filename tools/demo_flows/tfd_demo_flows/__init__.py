# SPDX-License-Identifier: Apache-2.0
"""Flows of the demo, packaged as a third party would package its own."""
