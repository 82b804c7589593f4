# SPDX-License-Identifier: Apache-2.0
"""Revertable, resumable workflows for OpenStack, as a library and a service."""
