# SPDX-License-Identifier: Apache-2.0
"""A fleet of conductors in one thread, stepped by a seeded scheduler that also makes the faults.

What runs is the real thing: conductor, finder, board, reconciler, runner, engine, storage. What is
simulated is behind their ports: threads and what they wait on, clocks, the job store and the
journal, the coordinator, and what tasks do to the world. Each seed is one schedule: which jobs
there are, how long everything takes, what breaks and when. The same seed is the same schedule.

``python -m tests.simulation --help`` plays schedules, and shows one step by step.
"""

from __future__ import annotations
