# SPDX-License-Identifier: Apache-2.0
from tfd import plugins

ZookeeperJobBoard = plugins.load('tfd.jobboards', 'zookeeper')
