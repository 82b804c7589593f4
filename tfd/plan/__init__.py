# SPDX-License-Identifier: Apache-2.0
"""The plan: a flow as an immutable graph of numbered nodes, ready to be scheduled."""

from tfd.plan.compiler import compile_flow
from tfd.plan.model import Gate
from tfd.plan.model import NOBODY
from tfd.plan.model import Kind
from tfd.plan.model import Plan
from tfd.plan.model import Scope

__all__ = ['NOBODY', 'Gate', 'Kind', 'Plan', 'Scope', 'compile_flow']
