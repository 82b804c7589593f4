# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import testtools

from tfd import engines, formatters, retry, task
from tfd.engines.base import Engine
from tfd.listeners import base
from tfd.patterns import linear_flow, unordered_flow
from tfd.types.failure import Failure


class Give(task.Task):
    """Returns a dictionary with a secret."""

    def execute(self, token: str = 'none') -> dict[str, Any]:
        return {'password': 'secret', 'port': 80, 'more': [{'password': 'secret'}]}


class Fail(task.Task):
    def execute(self, config: Any = None) -> None:
        raise ValueError('no')


class Texts(base.Listener):
    """Formats the failures of tasks when it hears of them."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        super().__init__(engine)
        self.formatter = formatters.FailureFormatter(engine, **options)
        self.formatted: list[tuple[Any, str]] = []

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        if isinstance(details.get('result'), Failure):
            self.formatted.append(
                self.formatter.format(details['result'], lambda node: node.item.name == details['task_name']))


def _formatted(flow: Any, **options: Any) -> tuple[Any, str]:
    engine = engines.load(flow, store={'token': 'abc'})
    with Texts(engine, **options) as listener:
        try:
            engine.run()
        except ValueError:
            pass
    [formatted] = listener.formatted
    return formatted


def _flow() -> linear_flow.Flow:
    return linear_flow.Flow('f').add(Give('give', provides='config'), Fail('fail'))


class FailureFormatterTest(testtools.TestCase):
    def test_tells_the_exception_and_what_ran_before(self) -> None:
        exc_info, text = _formatted(_flow())
        self.assertEqual((ValueError, 'no'), (exc_info[0], str(exc_info[1])))
        [head, line] = text.splitlines()
        self.assertEqual('1 predecessors, the nearest first:', head)
        self.assertIn("task 'give' {'intention': 'EXECUTE', 'state': 'SUCCESS', 'requires': {'token': 'abc'}", line)
        self.assertIn("'provides': {'password': 'secret'", line)

    def test_masks_arguments_and_results_wherever_they_are(self) -> None:
        _, text = _formatted(_flow(), mask_inputs_keys=['token'], mask_outputs_keys=['password'])
        self.assertIn("'requires': {'token': '***'}", text)
        self.assertIn("{'password': '***', 'port': 80, 'more': [{'password': '***'}]}", text)

    def test_masks_a_symbol_as_a_whole(self) -> None:
        _, text = _formatted(_flow(), mask_outputs_keys=['config'])
        self.assertIn("'provides': '***'", text)

    def test_hides_atoms(self) -> None:
        _, text = _formatted(_flow(), hide_inputs_outputs_of=['give'])
        self.assertNotIn('requires', text)
        self.assertNotIn('secret', text)

    def test_an_atom_comes_once_under_the_nearest(self) -> None:
        flow = linear_flow.Flow('f', retry=retry.Times(1, 'r')).add(
            Give('a'), unordered_flow.Flow('u').add(Give('b'), Give('c')), Fail('fail'))
        lines = _formatted(flow)[1].splitlines()
        self.assertEqual('4 predecessors, the nearest first:', lines[0])
        names = [line.split("'")[1] for line in lines[1:]]
        self.assertEqual({'b', 'c'}, {name for name, line in zip(names, lines[1:], strict=True)
                                      if not line.startswith('    ')})
        self.assertEqual(['a', 'b', 'c', 'r'], sorted(names))
        self.assertEqual(1, sum(line.strip().startswith('retry ') for line in lines))

    def test_there_is_an_end_to_it(self) -> None:
        flow = linear_flow.Flow('f').add(*(Give(str(number)) for number in range(300)), Fail('fail'))
        lines = _formatted(flow)[1].splitlines()
        self.assertEqual('100 or more predecessors, the nearest first:', lines[0])
        self.assertEqual(101, len(lines))

    def test_nothing_ran_before_the_first(self) -> None:
        self.assertEqual('', _formatted(linear_flow.Flow('f').add(Fail('fail')))[1])

    def test_a_failure_of_another_process_is_told_as_text(self) -> None:
        engine = engines.load(_flow())
        try:
            raise ValueError('long ago')
        except ValueError:
            failure = Failure.from_dict(Failure().to_dict())
        exc_info, text = formatters.FailureFormatter(engine).format(failure, lambda node: False)
        self.assertIsNone(exc_info)
        self.assertIn('ValueError: long ago', text)
        self.assertIn('Traceback', text)

    def test_what_is_reverted_is_not_explained(self) -> None:
        engine = engines.load(_flow())
        self.assertRaises(ValueError, engine.run)
        failure = engine.storage.get_execute_failures()['fail']
        formatter = formatters.FailureFormatter(engine)
        self.assertEqual('', formatter.format(failure, lambda node: node.item.name == 'fail')[1])

    def test_an_engine_that_has_not_begun_has_nothing_to_tell(self) -> None:
        formatter = formatters.FailureFormatter(engines.load(_flow()))
        failure = Failure.from_exception(ValueError('no'))
        self.assertEqual('', formatter.format(failure, lambda node: node.item.name == 'fail')[1])

    def test_masking_changes_nothing_in_place(self) -> None:
        data = {'a': [{'b': 1}, ({'b': 2},)], 'b': None}
        masked = formatters.FailureFormatter(None)._mask_keys(data, ('b',))
        self.assertEqual({'a': [{'b': '***'}, ({'b': '***'},)], 'b': '***'}, masked)
        self.assertEqual({'a': [{'b': 1}, ({'b': 2},)], 'b': None}, data)
