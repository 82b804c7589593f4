# SPDX-License-Identifier: Apache-2.0
"""Secrets are encrypted where they are stored."""

from __future__ import annotations

import dataclasses
from typing import Any

import testtools

from tfd import exceptions
from tfd.persistence import codec as codecs
from tfd.persistence.sealing import Sealing, generate_key, key_id
from tfd.types.failure import Failure
from tfd.types.secret import Secret

_PLAIN = 'correct horse'


@dataclasses.dataclass
class Login:
    user: str
    password: str


class CodecTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.key = generate_key()
        self.codec = codecs.JsonCodec(keys=Sealing([self.key], ['Password', 'api_key']))

    def stored(self, value: Any, **kwargs: Any) -> str:
        stored = self.codec.encode(value, 'a value', **kwargs)
        self.assertNotIn(_PLAIN, stored)
        return stored

    def assertComesBack(self, value: Any, **kwargs: Any) -> None:
        self.assertEqual(value, self.codec.decode(self.stored(value, **kwargs)))

    def test_a_secret_comes_back_as_one(self) -> None:
        self.assertComesBack(Secret(_PLAIN))
        self.assertComesBack({'a': [(Secret({_PLAIN: Secret([_PLAIN])}), 1)], 2: Secret(None)})

    def test_what_is_secret_by_its_name_comes_back_plain(self) -> None:
        for value in (
                {'admin_PASSWORD': _PLAIN}, {'a': [{'password': [_PLAIN]}]}, ({'password': {'a': (_PLAIN,)}},),
                Login('me', _PLAIN), {'api_key': _PLAIN, 1: 2}, {'$': {'password': _PLAIN}},
                {'password': Secret(_PLAIN)}):
            self.assertComesBack(value)

    def test_a_value_that_is_secret_as_a_whole(self) -> None:
        self.assertComesBack(_PLAIN, secret=True)
        self.assertComesBack([Secret(_PLAIN), _PLAIN], secret=True)
        self.assertEqual('null', self.codec.encode(None, 'a value', secret=True))

    def test_a_member_that_is_none_is_stored_as_it_is(self) -> None:
        self.assertEqual('{"password":null}', self.stored({'password': None}))

    def test_what_is_not_secret_is_stored_as_it_is(self) -> None:
        self.assertEqual('{"a":["password"],"b":1}', self.stored({'a': ['password'], 'b': 1}))

    def test_an_argument_of_a_failure(self) -> None:
        failure = Failure.from_exception(ValueError(Secret(_PLAIN), {'password': _PLAIN}))
        failure = Failure(**{**failure.to_dict(), 'exception_str': '', 'exc_args': failure.exception_args})
        self.assertEqual(
            (Secret(_PLAIN), {'password': _PLAIN}), self.codec.decode(self.stored(failure)).exception_args)

    def test_too_large_with_a_failure_in_it(self) -> None:
        small = codecs.JsonCodec(lambda text: (len(text), 3000) if len(text) > 3000 else None, Sealing([self.key]))
        failure = Failure.from_exception(ValueError('x' * 5000))
        stored = small.encode([failure, Secret(_PLAIN)], 'a value')
        self.assertNotIn(_PLAIN, stored)
        self.assertEqual(Secret(_PLAIN), small.decode(stored)[1])

    def test_without_a_key_a_secret_is_refused(self) -> None:
        err = self.assertRaises(
            exceptions.NoSecretKey, codecs.JsonCodec().encode, {'a': [Secret(_PLAIN)]}, 'inputs of job 7')
        self.assertIn('[secrets] keys', str(err))
        self.assertIn("inputs of job 7 cannot be stored: $['a'][0]", str(err))
        self.assertNotIn(_PLAIN, str(err))

    def test_without_a_key_names_only_say_what_is_masked(self) -> None:
        codec = codecs.JsonCodec(keys=Sealing(names=['password']))
        self.assertEqual('{"password":"x"}', codec.encode({'password': 'x'}, 'a value', secret=True))

    def test_another_key_is_named_and_nothing_else(self) -> None:
        stored = self.stored(Secret(_PLAIN))
        err = self.assertRaises(exceptions.UnknownKey, codecs.JsonCodec(keys=Sealing([generate_key()])).decode, stored)
        self.assertEqual(key_id(self.key), err.key)
        self.assertIn(err.key, str(err))
        self.assertNotIn('gAAAA', str(err))

    def test_a_damaged_secret(self) -> None:
        stored = self.stored(Secret(_PLAIN)).replace('gAAAA', 'gAAAB')
        err = self.assertRaises(exceptions.InvalidFormat, self.codec.decode, stored)
        self.assertNotIn('gAAAB', str(err))

    def test_a_user_cannot_forge_one(self) -> None:
        value = {'$': ['secret', key_id(self.key), 'x']}
        self.assertComesBack(value)

    def test_the_stored_form_of_the_same_value_is_kept(self) -> None:
        stored = self.stored(_PLAIN, secret=True)
        self.assertEqual(stored, self.codec.renewed(_PLAIN, 'a value', stored))
        self.assertNotIn('other', self.codec.renewed('other', 'a value', stored))
        self.assertEqual('other', self.codec.decode(self.codec.renewed('other', 'a value', stored)))


class RotationTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.old, self.new = generate_key(), generate_key()
        self.value = {'a': Secret([Secret(_PLAIN)]), 'password': _PLAIN, 'b': 'public'}
        self.stored = codecs.JsonCodec(keys=Sealing([self.old], ['password'])).encode(self.value, 'a value')

    def test_whichever_key_is_first_all_of_them_decrypt(self) -> None:
        both = codecs.JsonCodec(keys=Sealing([self.new, self.old], ['password']))
        self.assertEqual(self.value, both.decode(self.stored))
        self.assertEqual({key_id(self.new): 2}, codecs.keys_in(both.encode(self.value, 'a value')))

    def test_encrypted_anew_the_old_key_is_not_needed(self) -> None:
        again = codecs.sealed_anew(self.stored, Sealing([self.new, self.old]))
        self.assertEqual({key_id(self.old): 2}, codecs.keys_in(self.stored))
        self.assertEqual({key_id(self.new): 2}, codecs.keys_in(again))
        self.assertEqual(self.value, codecs.JsonCodec(keys=Sealing([self.new], ['password'])).decode(again))

    def test_without_the_old_key_nothing_is_lost(self) -> None:
        self.assertRaises(exceptions.UnknownKey, codecs.sealed_anew, self.stored, Sealing([self.new]))


class SealingTest(testtools.TestCase):

    def test_options_are_taken_out(self) -> None:
        options = {'connection': 'x', 'secret_keys': f'{generate_key()}, {generate_key()}', 'secret_names': ['A']}
        taken = Sealing.take(options)
        self.assertEqual({'connection': 'x'}, options)
        self.assertEqual((2, True, False), (len(taken.known), taken.is_named('xax'), taken.is_named('b')))

    def test_a_key_that_is_none_is_not_repeated(self) -> None:
        for key in ('geheim', 'ü', generate_key()[:-4]):
            err = self.assertRaises(exceptions.BadConfiguration, Sealing, [key])
            self.assertNotIn(key, str(err))
            self.assertIsNone(err.__cause__)

    def test_other_options_that_are_none(self) -> None:
        self.assertRaises(exceptions.BadConfiguration, Sealing.take, {'secret_keys': [1]})
        self.assertRaises(exceptions.BadConfiguration, Sealing.take, {'secret_names': {'a': 1}})
