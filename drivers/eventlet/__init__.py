# SPDX-License-Identifier: Apache-2.0
"""Tasks on green threads; needs the extra ``tfd[eventlet]``."""
