# SPDX-License-Identifier: Apache-2.0
"""What is recorded of flows: the record, its codec, the ports, and the drivers' common ground."""
