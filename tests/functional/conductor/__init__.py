# SPDX-License-Identifier: Apache-2.0
"""The daemon and its workers as processes, killed, stopped and cut off on real servers."""
