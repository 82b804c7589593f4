# SPDX-License-Identifier: Apache-2.0
"""Values as JSON text: what is kept, what is refused, what cannot be mistaken."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import json
import math
import sys
import threading
import zoneinfo
from typing import Any

import testtools
from hypothesis import given, settings
from hypothesis import strategies as st

from tfd import exceptions
from tfd.persistence import codec
from tfd.persistence.codec import JsonCodec
from tfd.testing.persistence import Colour, Volume, storable_values
from tfd.types.failure import Failure

CODEC = JsonCodec()


class Size(enum.IntEnum):
    SMALL = 1


class Mood(enum.Enum):
    GOOD = ('g', 1)


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Grown:
    kept: int
    new: list[int] = dataclasses.field(default_factory=list)
    newer: int = 5


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any
    derived: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.derived = 1


Pair = collections.namedtuple('Pair', 'a b')


def again(value: Any) -> Any:
    text = CODEC.encode(value, 'a value')
    json.loads(text)
    return CODEC.decode(text)


class CodecTest(testtools.TestCase):

    def test_what_is_stored_is_ascii_text(self) -> None:
        for value in storable_values():
            self.assertTrue(CODEC.encode(value, 'a value').isascii())

    def test_values_come_back(self) -> None:
        for value in (*storable_values(), 1 + 2j, Size.SMALL, Mood.GOOD, Rights.READ, Rights.READ | Rights.WRITE):
            found = again(value)
            self.assertEqual((type(value), value), (type(found), found))

    def test_plain_json_is_stored_as_it_is(self) -> None:
        self.assertEqual('{"a":[1,null,true,"x"]}', CODEC.encode({'a': [1, None, True, 'x']}, 'a value'))

    def test_nothing_is_nothing(self) -> None:
        self.assertIsNone(CODEC.decode(None))
        self.assertIsNone(again(None))

    def test_numbers_that_json_lacks(self) -> None:
        self.assertTrue(math.isnan(again([float('nan')])[0]))
        self.assertEqual(float('-inf'), again(float('-inf')))
        self.assertEqual([-10 ** 9000], again([-10 ** 9000]))

    def test_times_keep_zone_and_fold(self) -> None:
        berlin = zoneinfo.ZoneInfo('Europe/Berlin')
        for fold in (0, 1):
            when = datetime.datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=berlin)
            found = again((when,))[0]
            self.assertEqual((when.isoformat(), fold, berlin), (found.isoformat(), found.fold, found.tzinfo))
        fixed = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        self.assertEqual(fixed.utcoffset(None), again(datetime.datetime(2026, 1, 1, tzinfo=fixed)).utcoffset())
        self.assertEqual(datetime.time(1, 2, tzinfo=fixed), again(datetime.time(1, 2, tzinfo=fixed)))

    def test_subclasses_of_builtins_come_back_as_builtins(self) -> None:
        class Text(str):
            pass

        for value, expected in (
            (Text('x'), str), (Pair(1, 2), tuple), (collections.OrderedDict(a=1), dict),
            (collections.Counter('aa'), dict),
        ):
            found = again([value])[0]
            self.assertEqual((expected, value), (type(found), found))

    def test_dataclasses_come_back_without_their_constructor(self) -> None:
        value = Slotted({1: Volume('v')})
        value.derived = 7
        self.assertEqual(value, again(value))

    def test_a_dataclass_that_grew_takes_its_defaults(self) -> None:
        text = CODEC.encode(Grown(1), 'a value').replace('["new",[]],["newer",5]', '["gone",9]')
        self.assertEqual(Grown(1, [], 5), CODEC.decode(text))

    def test_an_exception_comes_back_as_a_failure(self) -> None:
        try:
            raise ValueError('why', 3)
        except ValueError as err:
            error = err
        found = again({'error': error})['error']
        self.assertIsInstance(found, Failure)
        self.assertTrue(Failure.from_exception(error).matches(found))

    def test_a_failure_keeps_its_causes(self) -> None:
        try:
            try:
                raise KeyError(Volume('inner'))
            except KeyError as err:
                raise ValueError(Colour()) from err
        except ValueError:
            failure = Failure()
        found = again(failure)
        self.assertEqual((Volume('inner'),), found.causes[0].exception_args)
        self.assertIn('Colour object', found.exception_args[0])
        self.assertEqual(failure.traceback_str, found.traceback_str)

    def test_what_has_no_stored_form_is_named(self) -> None:
        @dataclasses.dataclass
        class Local:
            a: int = 1

        class Here(enum.Enum):
            A = 1

        for value, path, kind in (
            (Colour(), '$', 'tfd.testing.persistence.Colour'), (threading.Lock(), '$', '_thread.lock'),
            ({'a': [1, {2: Colour()}]}, "$['a'][1][2]", 'Colour'), ((1, {Colour}), '$[1][0]', 'type'),
            ({Colour: 1}, "$.keys()[<class 'tfd.testing.persistence.Colour'>]", 'type'),
            (Volume('x', Colour()), "$['size']", 'Colour'), (Local(), '$', 'Local'), (Here.A, '$', 'Here'),
            (KeyboardInterrupt(), '$', 'KeyboardInterrupt'), (len, '$', 'builtin_function_or_method'),
            (object, '$', 'type'), (iter([]), '$', 'list_iterator'),
        ):
            error = self.assertRaises(exceptions.NotStorable, CODEC.encode, value, "result of 'a'")
            self.assertEqual(("result of 'a'", path), (error.what, error.path))
            self.assertIn(kind, error.type_name)

    def test_a_key_that_cannot_be_printed(self) -> None:
        class Mute:
            def __repr__(self) -> str:
                raise ValueError

        error = self.assertRaises(exceptions.NotStorable, CODEC.encode, {Mute(): 1}, 'a value')
        self.assertIn('cannot be printed', error.path)

    def test_a_structure_without_end_is_refused(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        deep: Any = ()
        for _ in range(100_000):
            deep = [deep]
        for value in (endless, (endless,), {'a': endless}, deep):
            self.assertRaises(exceptions.NotStorable, CODEC.encode, value, 'a value')

    def test_what_is_stored_does_not_change_with_the_value(self) -> None:
        value = [1]
        text = CODEC.encode(value, 'a value')
        value.append(2)
        self.assertEqual([1], CODEC.decode(text))

    def test_what_looks_like_an_extension_is_none(self) -> None:
        for value in (
            {'$': ['bytes', 'AA==']}, {'$': 1, 'a': 2}, [{'$': {'$': ['set', 1]}}], {'$': None}, {'a': '{"$":1}'},
        ):
            self.assertEqual(value, again(value))
            self.assertEqual((value,), again((value,)))

    def test_text_that_was_not_encoded_here_is_told(self) -> None:
        for text in (
            '', '{', '{"$":["unknown"]}', '{"$":5}', '{"$":["uuid","x"]}', '{"$":["bytes"]}', '{"$":["decimal","x"]}',
            '{"$":["dataclass","no.such:Thing",[]]}', '{"$":["dataclass","os:system",[]]}',
            '{"$":["enum","uuid:UUID","x"]}',
            '{"$":["dataclass","uuid:UUID",[]]}', '{"$":["failure",{}]}', '{"$":["datetime","x",0]}', '{"$":[[]]}',
        ):
            self.assertRaises(exceptions.InvalidFormat, CODEC.decode, text)

    def test_reading_runs_no_constructor_of_a_user(self) -> None:
        made: list[int] = []
        Slotted.__post_init__, kept = (lambda self: made.append(1)), Slotted.__post_init__
        self.addCleanup(setattr, Slotted, '__post_init__', kept)
        again(Slotted(1))
        self.assertEqual([1], made)


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.decimals(
        allow_nan=False) | st.datetimes() | st.dates() | st.times() | st.timedeltas() | st.uuids()
)
_KEYS = st.text() | st.integers() | st.just('$') | st.tuples(st.integers(), st.text())
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner) | st.tuples(inner, inner)
    | st.dictionaries(st.just('$'), inner) | st.builds(Volume, st.text(), inner),
    max_leaves=20)


class LargeValueTest(testtools.TestCase):
    """A codec that was told what is too large."""

    def setUp(self) -> None:
        super().setUp()
        self.codec = codec.JsonCodec(lambda text: (len(text), 9000) if len(text) > 9000 else None)

    def test_is_refused_by_name_and_size(self) -> None:
        error = self.assertRaises(exceptions.TooLarge, self.codec.encode, 'x' * 9000, "result of atom 'a'")
        self.assertEqual(("result of atom 'a'", 9002, 9000), (error.what, error.size, error.limit))
        self.assertEqual("result of atom 'a' cannot be stored: it has 9002 bytes, expected at most 9000", str(error))
        self.assertEqual(9000, len(self.codec.encode('x' * 8998, 'v')))

    def test_in_a_typed_form_too(self) -> None:
        self.assertRaises(exceptions.TooLarge, self.codec.encode, (b'x' * 9000,), 'v')

    def test_failures_are_cut_first(self) -> None:
        text = 'begin' + 'x' * 9000
        try:
            try:
                raise KeyError(text)
            except KeyError as err:
                raise ValueError(text, 3) from err
        except ValueError:
            failure = Failure()
        history = [(1, {'a': failure}), (2, {})]
        found = self.codec.decode(self.codec.encode(history, 'v'))
        self.assertEqual([1, 2], [value for value, _ in found])
        cut = found[0][1]['a']
        self.assertEqual((ValueError, KeyError), (cut.check(ValueError), cut.causes[0].check(KeyError)))
        self.assertEqual("('begin", cut.exception_str[:7])
        self.assertEqual((), tuple(cut.exception_args))
        self.assertEqual(failure.traceback_str[-900:], cut.traceback_str[-900:])

    def test_what_looks_like_a_failure_stays_as_it_is(self) -> None:
        value = [{'$': ['failure', {'exception_str': 'x' * 2000}]}]
        self.assertEqual(value, self.codec.decode(self.codec.encode(value, 'v')))
        self.assertRaises(exceptions.TooLarge, self.codec.encode, [*value, {}, *value * 4], 'v')


class CodecPropertyTest(testtools.TestCase):

    @settings(max_examples=300, deadline=None)
    @given(_VALUES)
    def test_every_value_comes_back_with_the_types_inside(self, value: Any) -> None:
        found = again(value)
        self.assertEqual(value, found)
        self.assertEqual(repr(value), repr(found))


class CodecCostTest(testtools.TestCase):

    def test_leaves_of_a_container_are_looked_at_by_c_code(self) -> None:
        """A list of numbers costs a fixed number of Python calls, however long it is."""
        calls = {}
        for size in (10, 10_000):
            count = 0

            def profile(frame: Any, event: str, arg: Any) -> None:
                nonlocal count
                count += event == 'call' and frame.f_code.co_filename == codec.__file__

            value = {'a': list(range(size)), 'b': {str(n): n for n in range(size)}}
            sys.setprofile(profile)
            try:
                CODEC.encode(value, 'a value')
            finally:
                sys.setprofile(None)
            calls[size] = count
        self.assertEqual(calls[10], calls[10_000])


