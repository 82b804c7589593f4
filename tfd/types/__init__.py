# SPDX-License-Identifier: Apache-2.0
"""Small value types that everything else is written with."""
