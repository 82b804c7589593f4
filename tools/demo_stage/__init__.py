# SPDX-License-Identifier: Apache-2.0
"""What ``tools/demo`` puts on stage: a small cloud, the daemons, the jobs, the screen."""
