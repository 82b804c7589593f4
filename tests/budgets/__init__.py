# SPDX-License-Identifier: Apache-2.0
"""What things cost, by counting: commits, visits, frames. Times are measured by tools/bench."""
