# SPDX-License-Identifier: Apache-2.0
from tfd.engines.engine import ActionEngine as ActionEngine
from tfd.engines.parallel import ParallelEngine as ParallelActionEngine  # noqa: F401
from tfd.engines.serial import SerialEngine as SerialActionEngine  # noqa: F401
