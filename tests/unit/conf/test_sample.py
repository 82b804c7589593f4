# SPDX-License-Identifier: Apache-2.0
"""The sample file that is shipped."""

from __future__ import annotations

import pathlib

import testtools

from tfd.conf import load, opts

_SAMPLE = pathlib.Path(__file__).resolve().parents[3] / 'etc' / 'tfd' / 'tfd.conf.sample'


class SampleTest(testtools.TestCase):
    """It is made by ``oslo-config-generator --config-file etc/oslo-config-generator/tfd.conf``."""

    def test_has_every_option_with_its_help(self) -> None:
        sections = _SAMPLE.read_text().split('\n[')
        words = {text.partition(']')[0].strip('['): ' '.join(text.replace('#', ' ').split())
                 for text in sections}
        for group, options in opts.SECTIONS:
            for option in options:
                with self.subTest(option=f'[{group.name}] {option.name}'):
                    self.assertIn(f' {option.name} =', words[group.name])
                    self.assertIn(' '.join(option.help.split()), words[group.name])

    def test_marks_what_can_be_changed_without_a_restart(self) -> None:
        text = f'\n{_SAMPLE.read_text()}'
        for group, options in opts.SECTIONS:
            section = text.partition(f'\n[{group.name}]\n')[2].partition('\n[')[0]
            for option in options:
                said = section.partition(f'#{option.name} =')[0].rpartition('\n\n')[2]
                self.assertEqual(
                    option.mutable, '# Note: This option can be changed without restarting.' in said,
                    f'[{group.name}] {option.name}')

    def test_can_be_used_as_it_is(self) -> None:
        self.assertEqual(2, load.load(load.arguments([str(_SAMPLE)])).conductor.workers)
