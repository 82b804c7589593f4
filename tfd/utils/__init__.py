# SPDX-License-Identifier: Apache-2.0
"""Deep paths of TaskFlow's that its users import, and nothing else."""
