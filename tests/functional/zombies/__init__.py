# SPDX-License-Identifier: Apache-2.0
"""Owners that stand still past their session, and wake up when a peer has their job."""
