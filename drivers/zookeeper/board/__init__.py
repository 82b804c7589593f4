# SPDX-License-Identifier: Apache-2.0
"""A board whose jobs are nodes of ZooKeeper, behind TaskFlow's API of boards."""
