# SPDX-License-Identifier: Apache-2.0
from tfd.persistence.logbooks import LogbookConnection as PathBasedConnection  # noqa: F401
