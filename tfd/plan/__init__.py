# SPDX-License-Identifier: Apache-2.0
"""The plan: a flow as an immutable graph of numbered nodes, ready to be scheduled."""

from tfd.plan.compiler import compile_flow
from tfd.plan.model import NOBODY, Gate, Kind, Plan, Scope

__all__ = ['NOBODY', 'Gate', 'Kind', 'Plan', 'Scope', 'compile_flow']
