# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of a job's owner at every point of a run, and what else must not stop a daemon."""
