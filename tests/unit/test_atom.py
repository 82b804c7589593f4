# SPDX-License-Identifier: Apache-2.0
"""How the arguments of an atom are bound to symbols, and its result to names."""

from __future__ import annotations

import collections
from typing import Any

import testtools

from tfd import engines, task
from tfd.patterns import linear_flow
from tfd.types import sets


class AB(task.Task):
    def execute(self, a: Any, b: Any = 7) -> Any:
        return (a, b)


class Keywords(task.Task):
    def execute(self, **kwargs: Any) -> Any:
        return kwargs


class RequiresTest(testtools.TestCase):
    def test_required_arguments_are_symbols_and_optional_ones_are_apart(self):
        atom = AB('k')
        self.assertEqual(['a'], list(atom.requires))
        self.assertEqual(['b'], list(atom.optional))
        self.assertEqual({'a': 'a', 'b': 'b'}, atom.rebind)

    def test_self_and_star_arguments_are_no_symbols(self):
        class Stars(task.Task):
            def execute(self, a: Any, *args: Any, b: Any, c: Any = 1, **kwargs: Any) -> None:
                """Take all kinds."""

        atom = Stars('k')
        self.assertEqual({'a', 'b'}, set(atom.requires))
        self.assertEqual({'c'}, set(atom.optional))

    def test_requires_adds_symbols_for_open_keywords(self):
        atom = Keywords('k', requires=['x', 'y'])
        self.assertEqual(['x', 'y'], list(atom.requires))
        self.assertEqual({'x': 'x', 'y': 'y'}, atom.rebind)

    def test_requires_may_be_one_name(self):
        self.assertEqual(['long'], list(Keywords('k', requires='long').requires))

    def test_requires_without_an_argument_for_it_is_refused(self):
        error = self.assertRaises(ValueError, AB, 'k', requires=['z'])
        self.assertIn("Extra arguments given to atom k: ['z']", str(error))

    def test_an_optional_argument_that_is_required_by_name_is_required(self):
        atom = AB('k', requires=['b'])
        self.assertEqual({'a', 'b'}, set(atom.requires))
        self.assertEqual(set(), set(atom.optional))

    def test_without_extraction_arguments_must_be_named(self):
        error = self.assertRaises(ValueError, AB, 'i', auto_extract=False)
        self.assertIn("Missing arguments for atom i: ['a']", str(error))
        self.assertEqual(['a'], list(AB('i', auto_extract=False, requires=['a']).requires))

    def test_requires_of_execute_come_before_those_of_revert(self):
        class Both(task.Task):
            def execute(self, x: Any) -> None:
                """Take x."""

            def revert(self, y: Any, x: Any, **kwargs: Any) -> None:
                """Take y too."""

        atom = Both('k')
        self.assertEqual(['x', 'y'], list(atom.requires))
        self.assertEqual({'y': 'y', 'x': 'x'}, atom.revert_rebind)

    def test_an_argument_of_execute_named_result_is_an_ordinary_one(self):
        class Takes(task.Task):
            def execute(self, result: Any) -> None:
                """Take it."""

        self.assertEqual(['result'], list(Takes('k').requires))

    def test_what_the_engine_gives_to_revert_is_not_required(self):
        class Takes(task.Task):
            def execute(self) -> None:
                """Take nothing."""

            def revert(self, result: Any, flow_failures: Any) -> None:
                """Take what the engine gives."""

        self.assertEqual([], list(Takes('k').requires))


class MistakesTest(testtools.TestCase):
    def _refused(self, text: str, **given: Any) -> None:
        self.assertEqual(text, str(self.assertRaises(TypeError, AB, 'k', **given)))

    def test_what_is_injected_is_a_mapping_and_not_told(self):
        for inject, kind in ((5, 'int'), ('ab', 'str'), ([('a', 1)], 'list')):
            self._refused(f'inject of atom k must be a mapping, not this {kind}', inject=inject)
        self.assertEqual({'a', 'b'}, {*AB('k', inject=[]).requires, *AB('k').optional})

    def test_names_are_names(self):
        self._refused('requires must be names of symbols, not 5 (int)', requires=5)
        self._refused('revert_requires must be names of symbols, not 5 (int)', revert_requires=5)
        self._refused('ignore_list must be names of symbols, not 5 (int)', ignore_list=5)
        AB('k', ignore_list='x')


class RebindTest(testtools.TestCase):
    def test_a_mapping_binds_arguments(self):
        atom = AB('k', rebind={'a': 'x'})
        self.assertEqual(({'x'}, {'a': 'x', 'b': 'b'}), (set(atom.requires), atom.rebind))

    def test_a_mapping_can_make_an_optional_argument_required(self):
        self.assertEqual({'a', 'y'}, set(AB('k', rebind={'b': 'y'}).requires))

    def test_atoms_that_rebind_alike_share_all_but_the_symbols(self):
        one, two = AB('k', rebind={'a': 'x'}), AB('l', rebind={'a': 'y'})
        self.assertIs(one._binding, two._binding)
        self.assertEqual(({'x'}, {'a': 'x', 'b': 'b'}), (set(one.requires), one.rebind))
        self.assertEqual(({'y'}, {'a': 'y', 'b': 'b'}), (set(two.requires), two.rebind))
        self.assertEqual(({'a'}, {'b'}), (set(AB('m').requires), set(AB('m').optional)))

    def test_symbols_may_be_exchanged(self):
        self.assertEqual({'a': 'b', 'b': 'a'}, AB('k', rebind={'a': 'b', 'b': 'a'}).rebind)

    def test_only_so_many_bindings_are_kept(self):
        for number in range(100):
            self.assertEqual({f'n{number}': 'x'}, Keywords('k', rebind={f'n{number}': 'x'}).rebind)
        self.assertLessEqual(len(Keywords._bindings), 64)

    def test_a_list_binds_required_arguments_in_order(self):
        class XY(task.Task):
            def execute(self, x: Any, y: Any) -> None:
                """Take two."""

        self.assertEqual({'x': 'p', 'y': 'q'}, XY('k', rebind=['p', 'q']).rebind)
        self.assertEqual({'x': 'p', 'y': 'y'}, XY('k', rebind=('p',)).rebind)

    def test_a_list_that_is_too_long_is_refused(self):
        error = self.assertRaises(ValueError, AB, 'k', rebind=['x', 'y'])
        self.assertIn("Extra arguments given to atom k: ['y']", str(error))

    def test_a_list_for_open_keywords_keeps_the_names(self):
        self.assertEqual({'p': 'p', 'q': 'q'}, Keywords('k', rebind=['p', 'q']).rebind)

    def test_a_mapping_of_an_argument_that_is_none_is_refused(self):
        self.assertRaises(ValueError, AB, 'k', rebind={'z': 'x'})

    def test_what_is_neither_is_refused(self):
        # A set has no order in which to bind arguments.
        for rebind in ('x', 5, {'x'}):
            error = self.assertRaises(TypeError, AB, 'k', rebind=rebind)
            self.assertIn(f'{rebind!r} ({type(rebind).__name__}) of atom k', str(error))

    def test_errors_tell_the_method_and_what_it_takes(self):
        class Both(task.Task):
            def execute(self, a: Any) -> None:
                """Take a."""

            def revert(self, z: Any) -> None:
                """Take z."""

        error = self.assertRaises(ValueError, Both, 'k', rebind={'a': 'x'})
        self.assertEqual("Extra arguments given to atom k: ['a']; its revert takes ['z'] and no **kwargs", str(error))
        error = self.assertRaises(ValueError, Both, 'k', auto_extract=False, requires=['a'], revert_requires=['q'])
        self.assertEqual(
            "Missing arguments for atom k: ['z']; its revert needs ['z'], and requires and rebind name ['q']",
            str(error))

    def test_an_empty_rebind_of_revert_is_none(self):
        class Both(task.Task):
            def execute(self, a: Any, **kwargs: Any) -> None:
                """Take a."""

            def revert(self, a: Any, **kwargs: Any) -> None:
                """Take a too."""

        for empty in ({}, (), []):
            self.assertEqual({'a': 'x'}, Both('k', rebind={'a': 'x'}, revert_rebind=empty).revert_rebind)
        self.assertEqual({'a': 'a', 'q': 'q'}, Both('k', requires=['q'], revert_requires=()).revert_rebind)

    def test_revert_has_a_rebind_of_its_own(self):
        class Both(task.Task):
            def execute(self, x: Any) -> None:
                """Take x."""

            def revert(self, y: Any, **kwargs: Any) -> None:
                """Take y."""

        atom = Both('k', rebind={'x': 'p'}, revert_rebind={'y': 'q'})
        self.assertEqual(({'x': 'p'}, {'y': 'q'}), (atom.rebind, atom.revert_rebind))
        self.assertEqual({'p', 'q'}, set(atom.requires))


class InjectTest(testtools.TestCase):
    def test_injected_symbols_are_not_required(self):
        self.assertEqual(set(), set(AB('k', inject={'a': 1}).requires))

    def test_they_are_symbols_not_arguments(self):
        atom = AB('k', rebind={'a': 'x'}, inject={'x': 100}, provides='out')
        self.assertEqual(set(), set(atom.requires))
        found = engines.run(linear_flow.Flow('f').add(atom), store={'x': 1, 'a': 2})
        self.assertEqual((100, 7), found['out'])

    def test_they_go_before_the_store_and_that_before_providers(self):
        one = task.FunctorTask(lambda: 'provider', name='p', provides='a')
        self.assertEqual((1, 7), engines.run(
            linear_flow.Flow('f').add(one, AB('k', inject={'a': 1}, provides='out')), store={'a': 'store'})['out'])
        two = task.FunctorTask(lambda: 'provider', name='p', provides='a')
        self.assertEqual(('store', 7), engines.run(
            linear_flow.Flow('f').add(two, AB('k', provides='out')), store={'a': 'store'})['out'])


class ProvidesTest(testtools.TestCase):
    def test_forms(self):
        for provides, expected in (
            ('x', {'x': None}), (('x', 'y'), {'x': 0, 'y': 1}), (['x'], {'x': 0}), ({'x'}, {'x': 'x'}),
            (frozenset(('x',)), {'x': 'x'}), (None, {}), ((), {}),
            (sets.OrderedSet(('x', 'y')), {'x': 'x', 'y': 'y'}), (collections.UserList('xy'), {'x': 0, 'y': 1}),
        ):
            self.assertEqual(expected, AB('k', provides=provides).save_as, provides)

    def test_what_is_none_of_them_is_refused(self):
        for provides in (5, b'xy', {'x': 1}):
            error = self.assertRaises(TypeError, AB, 'k', provides=provides)
            self.assertIn(f'not {provides!r} ({type(provides).__name__}), as atom k has it', str(error))

    def test_what_is_saved_can_be_changed(self):
        atom = AB('k', provides='x')
        atom.save_as['y'] = 0
        self.assertEqual(['x', 'y'], list(atom.provides))
        atom.save_as = {'z': None}
        self.assertEqual({'z'}, atom.provides)

    def test_names_keep_their_order(self):
        self.assertEqual(['c', 'a', 'b'], list(AB('k', provides=('c', 'a', 'b')).provides))

    def test_the_class_may_say_it(self):
        class Provides(AB):
            default_provides = 'z'

        self.assertEqual(['z'], list(Provides('k').provides))
        self.assertEqual(['y'], list(Provides('k', provides='y').provides))

    def _fetched(self, result: Any, provides: Any) -> dict[str, Any]:
        made = task.FunctorTask(lambda: result, name='t', provides=provides)
        return engines.run(linear_flow.Flow('f').add(made))

    def test_elements_of_what_is_returned(self):
        self.assertEqual({'x': 1, 'y': 2}, self._fetched((1, 2), ('x', 'y')))
        self.assertEqual({'x': 1, 'y': 2}, self._fetched([1, 2, 3], ('x', 'y')))
        self.assertEqual({'x': 'a', 'y': 'b'}, self._fetched('ab', ('x', 'y')))
        self.assertEqual({'x': 1}, self._fetched({'x': 1, 'z': 2}, {'x'}))
        self.assertEqual({'x': (1, 2)}, self._fetched((1, 2), 'x'))

    def test_what_is_missing_is_left_out(self):
        self.assertEqual({'x': 1}, self._fetched((1,), ('x', 'y')))
        self.assertEqual({}, self._fetched(None, ('x', 'y')))
        self.assertEqual({}, self._fetched(5, ('x', 'y')))
        self.assertEqual({}, self._fetched({}, {'x'}))


class NameTest(testtools.TestCase):
    def test_a_class_inside_of_something_is_named_by_its_own_name(self):
        class Inside(AB):
            """It has the name that it has in TaskFlow, by which its results are asked for."""

        self.assertEqual(f'{__name__}.Inside', Inside().name)
        self.assertEqual(f'<{__name__}.Inside "k==1.0">', repr(Inside('k')))

    def test_default_name(self):
        self.assertEqual(f'{__name__}.AB', AB().name)

    def test_text(self):
        self.assertEqual('"n==1.0"', str(AB('n')))
        self.assertIn('AB "n==1.0"', repr(AB('n')))

    def test_any_text_is_a_name(self):
        engines.run(linear_flow.Flow('ü f').add(AB('ä b/:c', inject={'a': 1})))

    def test_version(self):
        atom = AB('n')
        self.assertEqual((1, 0), atom.version)
        atom.version = (2, 5)
        self.assertEqual('"n==2.5"', str(atom))


class ClassesTest(testtools.TestCase):
    def test_atoms_of_a_class_do_not_share_what_they_were_given(self):
        first, second, third = AB('1'), AB('2', rebind={'a': 'x'}), AB('3')
        self.assertEqual([{'a'}, {'x'}, {'a'}], [set(atom.requires) for atom in (first, second, third)])

    def test_a_subclass_has_its_own_signature(self):
        class Other(AB):
            def execute(self, z: Any) -> Any:  # type: ignore[override]
                return z

        self.assertEqual([{'a'}, {'z'}, {'a'}], [set(atom.requires) for atom in (AB('1'), Other('2'), AB('3'))])

    def test_it_cannot_be_made_without_execute(self):
        self.assertRaises(TypeError, task.Task, 'k')
