# SPDX-License-Identifier: Apache-2.0
"""Count the tests of a subunit stream: ``python -m tests.totals FILE``.

Prints ``N passed, N failed, N skipped``, after the names of the tests that began and did not
end, which count as failed. The exit status is 0 only if tests ran, and none failed.
"""

from __future__ import annotations

import collections
import sys
from typing import Any, BinaryIO

import subunit
import testtools

_PASSED = ('success', 'xfail')
_SKIPPED = ('skip',)


def read(stream: BinaryIO) -> dict[str, str]:
    """The last status of each test, by its name."""
    statuses: dict[str, str] = {}

    def on_test(test: dict[str, Any]) -> None:
        # What a worker prints beside its tests comes as a test of no status.
        if test['status'] not in ('exists', 'unknown'):
            statuses[test['id']] = test['status']

    result = testtools.StreamToDict(on_test)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name='stdout').run(result)
    result.stopTestRun()
    return statuses


def main() -> int:
    """Return the exit status."""
    with open(sys.argv[1], 'rb') as stream:
        statuses = read(stream)
    for name, status in statuses.items():
        if status == 'inprogress':
            print(f'did not end: {name}')
    counts = collections.Counter(statuses.values())
    passed = sum(counts[status] for status in _PASSED)
    skipped = sum(counts[status] for status in _SKIPPED)
    failed = len(statuses) - passed - skipped
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 0 if statuses and not failed else 1


if __name__ == '__main__':
    sys.exit(main())
