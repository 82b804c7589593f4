# SPDX-License-Identifier: Apache-2.0
from tfd.persistence.memory import MemoryBackend as MemoryBackend
