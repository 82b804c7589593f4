# SPDX-License-Identifier: Apache-2.0
"""Deep paths that TaskFlow's users import lead to the same things."""

from __future__ import annotations

import pkgutil

import testtools

_ALIASES = {
    'tfd.engines.action_engine.engine:ActionEngine': 'tfd.engines.engine:ActionEngine',
    'tfd.engines.action_engine.engine:SerialActionEngine': 'tfd.engines.serial:SerialEngine',
    'tfd.engines.action_engine.engine:ParallelActionEngine': 'tfd.engines.parallel:ParallelEngine',
    'tfd.conductors.backends.impl_blocking:BlockingConductor': 'tfd.conductors.pooled:BlockingConductor',
    'tfd.conductors.backends.impl_executor:ExecutorConductor': 'tfd.conductors.pooled:ExecutorConductor',
    'tfd.conductors.backends.impl_nonblocking:NonBlockingConductor': 'tfd.conductors.pooled:NonBlockingConductor',
    'tfd.jobs.backends.impl_zookeeper:ZookeeperJobBoard': 'tfd_drivers.zookeeper.board.board:ZookeeperJobBoard',
    'tfd.utils.kazoo_utils:finalize_client': 'tfd_drivers.zookeeper.plain:finalize_client',
    'tfd.utils.kazoo_utils:make_client': 'tfd_drivers.zookeeper.plain:make_client',
    'tfd.persistence.backends.impl_dir:DirBackend': 'tfd_drivers.directory.backend:DirectoryBackend',
    'tfd.persistence.backends.impl_memory:MemoryBackend': 'tfd.persistence.memory:MemoryBackend',
    'tfd.persistence.path_based:PathBasedConnection': 'tfd.persistence.logbooks:LogbookConnection',
    'tfd.persistence.backends.impl_sqlalchemy:SQLAlchemyBackend': 'tfd_drivers.sql.backend:SqlBackend',
}


class AliasesTest(testtools.TestCase):
    def test_each_is_the_very_thing(self) -> None:
        for alias, name in _ALIASES.items():
            self.assertIs(pkgutil.resolve_name(name), pkgutil.resolve_name(alias), alias)
