# SPDX-License-Identifier: Apache-2.0
"""Earlier releases, frozen: the schema that each made, rows of its own, and the statements that it sends.

Nothing here imports today's tables or statements, and nothing here changes when they do.
"""
