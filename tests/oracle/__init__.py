# SPDX-License-Identifier: Apache-2.0
"""The same random flows on TaskFlow 6.5.0 and on tfd: what they do is equal, or differs as a decision of tfd's says."""
