# SPDX-License-Identifier: Apache-2.0
"""The contracts of the ports, kept by every driver."""
