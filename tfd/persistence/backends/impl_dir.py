# SPDX-License-Identifier: Apache-2.0
from tfd import plugins

DirBackend = plugins.load('tfd.persistence', 'directory')
