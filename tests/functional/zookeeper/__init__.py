# SPDX-License-Identifier: Apache-2.0
"""The ZooKeeper driver, on real servers."""
