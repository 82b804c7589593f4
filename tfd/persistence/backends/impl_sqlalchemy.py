# SPDX-License-Identifier: Apache-2.0
from tfd import plugins

SQLAlchemyBackend = plugins.load('tfd.persistence', 'sql')
