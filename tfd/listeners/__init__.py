# SPDX-License-Identifier: Apache-2.0
"""Listeners: told what the flow and the atoms of an engine do."""
