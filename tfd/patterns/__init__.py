# SPDX-License-Identifier: Apache-2.0
"""The patterns in which a flow can order what it holds."""
