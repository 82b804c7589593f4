# SPDX-License-Identifier: Apache-2.0
"""The count of a test run is right, and a run that was cut short does not pass."""

from __future__ import annotations

import contextlib
import io
import pathlib

import fixtures
import subunit
import testtools

from tests import totals


class TotalsTest(testtools.TestCase):
    """``python -m tests.totals``."""

    def _count(self, **statuses: str) -> tuple[int, list[str]]:
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).join('stream'))
        with path.open('wb') as stream:
            result = subunit.StreamResultToBytes(stream)
            for name, status in statuses.items():
                result.status(test_id=name, test_status='inprogress')
                result.status(test_id=name, test_status=status)
            result.status(file_name='stdout', file_bytes=b'printed beside the tests')
        self.useFixture(fixtures.MonkeyPatch('sys.argv', ['totals', str(path)]))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = totals.main()
        return status, printed.getvalue().splitlines()

    def test_passes_when_nothing_failed(self) -> None:
        counted = self._count(a='success', b='xfail', c='skip')
        self.assertEqual((0, ['2 passed, 0 failed, 1 skipped']), counted)

    def test_failures_and_surprises_fail(self) -> None:
        counted = self._count(a='success', b='fail', c='uxsuccess')
        self.assertEqual((1, ['1 passed, 2 failed, 0 skipped']), counted)

    def test_a_test_that_did_not_end_failed_and_is_named(self) -> None:
        counted = self._count(a='success', b='inprogress')
        self.assertEqual((1, ['did not end: b', '1 passed, 1 failed, 0 skipped']), counted)

    def test_a_run_without_tests_does_not_pass(self) -> None:
        self.assertEqual((1, ['0 passed, 0 failed, 0 skipped']), self._count())
