# SPDX-License-Identifier: Apache-2.0
"""ZooKeeper: locks, members and doorbells."""
