# SPDX-License-Identifier: Apache-2.0
"""A flow whose process is killed goes on in another one, whatever it is made of."""
