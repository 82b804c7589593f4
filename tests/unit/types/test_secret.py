# SPDX-License-Identifier: Apache-2.0
"""Secrets are not shown, and known secrets are taken out of other texts."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import pprint

import testtools
from oslo_serialization import jsonutils

from tfd.types.failure import Failure
from tfd.types.secret import Secret, Veil


@dataclasses.dataclass
class Login:
    user: str
    password: str = dataclasses.field(default='', repr=False)


def failed(error: Exception, cause: Exception | None = None) -> Failure:
    try:
        raise error from cause
    except Exception:
        return Failure()


class SecretTest(testtools.TestCase):

    def test_it_is_not_shown(self) -> None:
        secret = Secret('hunter2-hunter2')
        shown = [
            str(secret), repr(secret), f'{secret}', f'{secret:>20}', str([secret]),
            str({'a': (secret,)}), pprint.pformat({'a': secret}), str(Login('me', secret)),  # type: ignore[arg-type]
            str(dataclasses.asdict(Login('me', secret))), str(ValueError(secret)),  # type: ignore[arg-type]
            str(Secret(secret))]
        self.assertNotIn('hunter2', ' '.join(shown))
        self.assertEqual('***', shown[0])

    def test_json_refuses_it(self) -> None:
        self.assertRaises(TypeError, json.dumps, {'a': Secret('hunter2')})
        self.assertNotIn('hunter2', jsonutils.dumps({'a': Secret('hunter2')}, default=str))
        self.assertRaises(ValueError, jsonutils.dumps, {'a': Secret('hunter2')})

    def test_it_is_equal_to_its_like_and_not_to_its_value(self) -> None:
        self.assertEqual(Secret('a'), Secret('a'))
        self.assertEqual(Secret('a'), Secret(Secret('a')))
        self.assertNotEqual(Secret('a'), Secret('b'))
        self.assertNotEqual(Secret('a'), 'a')
        self.assertEqual(1, len({Secret('a'), Secret('a')}))

    def test_it_can_be_copied_and_sent_to_another_process(self) -> None:
        secret = Secret({'a': [1]})
        for again in (pickle.loads(pickle.dumps(secret)), copy.deepcopy(secret)):
            self.assertEqual({'a': [1]}, again.reveal())


class VeilTest(testtools.TestCase):

    def test_what_it_has_learnt_is_masked(self) -> None:
        veil = Veil()
        veil.learn({'a': [Secret({'b': 'hunter2', 'c': b'correct horse'})], 'd': 'public'})
        self.assertEqual('*** *** public', veil.text('hunter2 correct horse public'))

    def test_as_it_is_quoted(self) -> None:
        veil = Veil()
        veil.learn(Secret('it\'s "ü"\n'))
        for text in (repr('it\'s "ü"\n'), json.dumps('it\'s "ü"\n')):
            self.assertNotIn('it', veil.text(text))

    def test_the_longer_of_two_is_masked_first(self) -> None:
        veil = Veil()
        veil.learn([Secret('abcd'), Secret('abcdefgh')])
        self.assertEqual('***', veil.text('abcdefgh'))

    def test_short_texts_are_left_alone(self) -> None:
        veil = Veil()
        veil.learn(Secret(['abc', 12345, None]))
        self.assertFalse(veil)
        self.assertEqual('abc', veil.text('abc'))

    def test_by_name_at_any_depth(self) -> None:
        veil = Veil(lambda name: 'password' in name)
        veil.learn({'x': [{'admin_password': ['hunter2']}], 'login': Login('someone', 'sesame')})
        self.assertEqual('*** *** someone', veil.text('hunter2 sesame someone'))

    def test_a_structure_that_contains_itself(self) -> None:
        loop: list[object] = [Secret('hunter2')]
        loop.append(loop)
        veil = Veil()
        veil.learn(loop)
        self.assertEqual('***', veil.text('hunter2'))

    def test_values_to_be_shown(self) -> None:
        veil = Veil(lambda name: name == 'pin')
        veil.learn(Secret('hunter2'))
        value = {'pin': 12, 'a': ['x hunter2', 3, b'hunter2'], 'b': Secret('hunter2'), 'c': {'d': None}}
        self.assertEqual(
            "{'pin': '***', 'a': ['x ***', 3, \"b'***'\"], 'b': ***, 'c': {'d': None}}", str(veil.value(value)))

    def test_keys_to_be_shown(self) -> None:
        veil = Veil()
        veil.learn(Secret('hunter2'))
        self.assertEqual({'***': 1, "('***', 2)": 3, 4: 5}, veil.value({'hunter2': 1, ('hunter2', 2): 3, 4: 5}))

    def test_where_nothing_is_secret_the_value_itself_is_shown(self) -> None:
        value = {'a': [1]}
        self.assertIs(value, Veil().value(value))


class FailureTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.veil = Veil()
        self.veil.learn(Secret('hunter2'))

    def test_nothing_of_it_is_left_in_text_arguments_and_causes(self) -> None:
        error = ValueError('wrong: hunter2', {'a': 'hunter2'}, b'hunter2')
        veiled = failed(error, KeyError('hunter2')).veiled(self.veil)
        self.assertNotIn('hunter2', str(veiled.to_dict()))
        self.assertNotIn('hunter2', veiled.pformat(traceback=True))
        self.assertTrue(veiled.is_veiled)

    def test_it_is_raised_as_it_was(self) -> None:
        error = ValueError('wrong: hunter2')
        veiled = failed(error).veiled(self.veil)
        self.assertIs(error, self.assertRaises(ValueError, veiled.reraise))
        self.assertEqual(ValueError, veiled.check(ValueError))

    def test_one_without_a_secret_stays_the_same(self) -> None:
        failure = failed(ValueError('wrong', 1, ('a',)))
        self.assertIs(failure, failure.veiled(self.veil))

    def test_it_stays_veiled_in_copies(self) -> None:
        veiled = failed(ValueError('wrong: hunter2')).veiled(self.veil)
        self.assertTrue(veiled.copy().is_veiled)
        self.assertTrue(pickle.loads(pickle.dumps(veiled)).is_veiled)
