# SPDX-License-Identifier: Apache-2.0
from tfd import plugins

make_client = plugins.load('tfd.clients', 'zookeeper').make_client
finalize_client = plugins.load('tfd.clients', 'zookeeper').finalize_client
