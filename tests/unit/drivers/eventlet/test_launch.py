# SPDX-License-Identifier: Apache-2.0
"""Programs in which everything that waits gives way."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from unittest import mock

import fixtures
import testtools

from tfd_drivers.eventlet import launch

_PROGRAM = '''
import json, os, sys, threading, time
order = []
def work(name):
    order.append(name)
    time.sleep(0.001)
    order.append(name)
threads = [threading.Thread(target=work, args=(name,)) for name in 'ab']
for thread in threads: thread.start()
for thread in threads: thread.join()
json.dump([sys.argv[1:], __name__, order, len(os.listdir('/proc/self/task')), threading.Thread.start.__module__,
           type(threading.Lock()).__module__], sys.stdout)
'''


class LaunchTest(testtools.TestCase):

    def test_runs_a_module_on_green_threads(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'green_program.py').write_text(_PROGRAM)
        with mock.patch.object(sys, 'path', [*sys.path, str(folder)]):
            command = launch.command('green_program', ['one', 'two'])
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual((0, ''), (ended.returncode, ended.stderr))
        arguments, name, order, threads, _, lock = json.loads(ended.stdout)
        self.assertEqual((['one', 'two'], '__main__', 1), (arguments, name, threads))
        self.assertEqual(list('abab'), order)
        self.assertTrue(lock.startswith('eventlet'), lock)

    def test_to_ask_how_imports_nothing_of_it(self) -> None:
        code = (
            'import sys; from tfd_drivers.eventlet import launch; launch.command("x", []);'
            'sys.exit("eventlet" in sys.modules)')
        self.assertEqual(0, subprocess.run([sys.executable, '-c', code], timeout=60).returncode)

    def test_tells_where_it_is_not_installed(self) -> None:
        with mock.patch('importlib.util.find_spec', return_value=None):
            self.assertRaises(ImportError, launch.command, 'x', [])
