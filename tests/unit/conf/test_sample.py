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

    def test_can_be_used_as_it_is(self) -> None:
        self.assertEqual(2, load.load(load.arguments([str(_SAMPLE)])).conductor.workers)
