# SPDX-License-Identifier: Apache-2.0
"""Databases that are away, full, or have no connection left: flows wait, and go on."""
