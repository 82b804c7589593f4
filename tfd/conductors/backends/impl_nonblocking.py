# SPDX-License-Identifier: Apache-2.0
from tfd.conductors.pooled import NonBlockingConductor as NonBlockingConductor
