# SPDX-License-Identifier: Apache-2.0
"""The atom: the smallest thing that a flow runs, with the names of what it takes and gives.

How arguments are found (as TaskFlow 6.x): an argument of ``execute`` or ``revert`` is bound to a *symbol*, by default
the symbol of its own name. ``rebind`` binds arguments to other symbols, ``requires`` adds symbols for ``**kwargs``,
``inject`` gives the atom symbols of its own. ``provides`` names what ``execute`` returns.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, ClassVar

from tfd.types import sets, signature

__all__ = ['Atom']

Names = str | Iterable[str] | None
Rebind = Mapping[str, str] | Sequence[str] | None


#: What is called of an atom beside execute and revert.
_CALLED_TOO = ('pre_execute', 'post_execute', 'pre_revert', 'post_revert', 'on_failure')
_NO_SYMBOLS: sets.OrderedSet[str] = sets.OrderedSet()
#: So many bindings are kept per class: the names of arguments to rebind may be made up.
_MOST_BINDINGS = 64


class Binding:
    """Which argument takes which symbol; immutable, shared by all the atoms of a class that are made alike.

    Where atoms differ in the symbols of their ``rebind`` alone, each argument stands for its symbol here, and the atom
    keeps the symbols.

    :ivar rebind: ``{argument of execute: symbol}``, required ones first.
    :ivar revert_rebind: the same for revert.
    :ivar arguments: those whose symbols the atom keeps.
    :ivar alike: revert takes what execute takes.
    """

    __slots__ = ('_execute', '_given', '_revert', 'alike', 'arguments', 'rebind', 'revert_rebind')

    def __init__(
        self, execute: tuple[dict[str, str], dict[str, str]], revert: tuple[dict[str, str], dict[str, str]],
        injected: Iterable[str], arguments: tuple[str, ...] = (),
    ) -> None:
        # Sets are made for those who ask: atoms that are bound each in a way of its own would keep three each.
        self._execute, self._revert, self._given = execute, revert, frozenset(injected)
        self.arguments = arguments
        self.alike = execute == revert
        self.rebind = {**execute[0], **execute[1]} if execute[1] else execute[0]
        self.revert_rebind = {**revert[0], **revert[1]} if revert[1] else revert[0]

    def renamed(self, mapping: dict[str, str], symbols: tuple[str, ...]) -> dict[str, str]:
        """Return a mapping with the symbols that an atom keeps for :attr:`arguments`."""
        if not symbols:
            return mapping
        kept = dict(zip(self.arguments, symbols, strict=True))
        return {name: kept.get(symbol, symbol) for name, symbol in mapping.items()}

    def requires(self, symbols: tuple[str, ...]) -> sets.OrderedSet[str]:
        """Return the symbols that something else must give to an atom that keeps these."""
        needed, also = self._execute[0], self._revert[0]
        if not needed and not also:
            return _NO_SYMBOLS
        found = sets.OrderedSet((*self.renamed(needed, symbols).values(), *self.renamed(also, symbols).values()))
        return found.difference(self._given) if self._given else found

    def optional(self) -> sets.OrderedSet[str]:
        """Return the symbols that are given to execute where there is a value for them; never one that is rebound."""
        return self._left_out(self._execute[1])

    def revert_optional(self) -> sets.OrderedSet[str]:
        """Return the symbols that are given to revert where there is a value for them."""
        return self._left_out(self._revert[1])

    def _left_out(self, symbols: dict[str, str]) -> sets.OrderedSet[str]:
        return sets.OrderedSet(symbols.values()).difference(self._given) if symbols else _NO_SYMBOLS


def as_names(names: Names, what: str = 'requires') -> tuple[str, ...]:
    """Return the names that were given, of which one may be given as it is.

    :raises TypeError: something else was given as ``what``.
    """
    if names is None:
        return ()
    if isinstance(names, str):
        return (names,)
    try:
        return tuple(names)
    except TypeError:
        raise TypeError(f'{what} must be names of symbols, not {names!r} ({type(names).__name__})') from None


def awaited(atom: Atom) -> list[str]:
    """Return the names of an atom's methods that are coroutine functions."""
    found = [name for name, sig in zip(('execute', 'revert'), atom._signatures(), strict=True) if sig.awaited]
    cls = type(atom)
    for name in _CALLED_TOO:
        function = getattr(cls, name, None)
        if function is not getattr(Atom, name, None) and signature.is_awaited(function):
            found.append(name)
    return found


def _explicit(who: object, rebind: Rebind, required: tuple[str, ...]) -> dict[str, str]:
    """Return the part of a mapping that was given by ``rebind``.

    :raises TypeError: it has none of the forms of ``rebind``; a set has no order.
    """
    if rebind is None:
        return {}
    # The one that is usual first: to ask an abstract class takes ten times as long.
    if isinstance(rebind, dict) or isinstance(rebind, Mapping):
        return dict(rebind)
    if isinstance(rebind, list | tuple):
        symbols = list(rebind)
        mapping = dict(zip(required, symbols, strict=False))
        # More symbols than required arguments: the rest keep their names, for **kwargs to take.
        mapping.update((symbol, symbol) for symbol in symbols[len(required):])
        return mapping
    raise TypeError(
        f'Invalid rebind value {rebind!r} ({type(rebind).__name__}) of atom {who}: it must be a mapping, a list or a'
        ' tuple')


def _bind(
    who: object, method: str, sig: signature.Signature, reserved: tuple[str, ...], requires: tuple[str, ...],
    rebind: Rebind, infer: bool,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return ``(needed, optional)``: the symbols of the arguments of one callable.

    :raises ValueError: an argument is not bound, or something is bound to no argument.
    """
    required = tuple(name for name in sig.required if name not in reserved) if reserved else sig.required
    explicit = _explicit(who, rebind, required)
    bound = {**{name: name for name in requires}, **explicit} if requires else explicit
    if infer and required:
        bound = {**{name: bound.get(name, name) for name in required}, **bound}
    elif required:
        missing = [name for name in required if name not in bound]
        if missing:
            raise ValueError(
                f'Missing arguments for atom {who}: {missing}; its {method} needs {list(required)}, and requires and'
                f' rebind name {list(bound)}')
    if not sig.open:
        known = {*sig.required, *sig.optional}
        extra = [name for name in bound if name not in known]
        if extra:
            raise ValueError(
                f'Extra arguments given to atom {who}: {extra}; its {method} takes {[*sig.required, *sig.optional]} and'
                ' no **kwargs')
    optional = {}
    if infer and sig.optional:
        optional = {name: name for name in sig.optional if name not in bound and name not in reserved}
    return bound, optional


def _saves(who: object, provides: Any) -> str | dict[Any, Any] | None:
    """Return the symbol of the result as a whole, or ``{symbol: index into the result}``, or None for neither.

    :raises TypeError: it is none of the forms of ``provides``.
    """
    if provides is None or isinstance(provides, str):
        return provides
    if isinstance(provides, list | tuple) or (isinstance(provides, Sequence) and not isinstance(provides, bytes)):
        return {symbol: at for at, symbol in enumerate(provides)}
    if isinstance(provides, Set):
        return {symbol: symbol for symbol in provides}
    raise TypeError(
        f'Atom provides parameter should be str, set or tuple/list, not {provides!r} ({type(provides).__name__}), as'
        f' atom {who} has it')


class Atom(abc.ABC):
    """A unit of work with a name, inputs and outputs; base of :class:`~tfd.task.Task` and :class:`~tfd.retry.Retry`.

    :param name: unique inside a flow.
    :param provides: name of the result, or a tuple or list of names of its elements, or a set of names of its keys.
    :param requires: symbols needed beside those that ``execute`` names, handed to its ``**kwargs``.
    :param auto_extract: False: take no symbol from signatures, only from ``requires`` and ``rebind``.
    :param rebind: ``{argument: symbol}``, or a list of symbols for the required arguments in their order.
    :param inject: values that this atom alone sees, by symbol.
    :param ignore_list: kept for TaskFlow's signature; without effect there (6.5) and here.
    :param revert_rebind, revert_requires: the same for ``revert``; where they are empty, those of ``execute``.
    :raises ValueError: an argument is left without a symbol, or a symbol without an argument.
    :raises TypeError: an argument has none of the forms above.
    """

    #: Ready atoms with a higher priority start earlier.
    priority: int = 0
    #: What the class provides where ``provides`` is not given.
    default_provides: ClassVar[Any] = None

    #: Arguments that the engine gives to ``execute`` and ``revert``, not the flow.
    _reserved: ClassVar[tuple[str, ...]] = ()
    _revert_reserved: ClassVar[tuple[str, ...]] = ()
    # The symbols of the arguments that the binding leaves open.
    _rebound: tuple[str, ...] = ()

    def __init__(
        self, name: str | None = None, provides: Any = None, requires: Names = None, auto_extract: bool = True,
        rebind: Rebind = None, inject: Mapping[str, Any] | None = None, ignore_list: Iterable[str] | None = None,
        revert_rebind: Rebind = None, revert_requires: Names = None,
    ) -> None:
        self.name: Any = name
        self.version: Any = (1, 0)
        if inject and type(inject) is not dict and not isinstance(inject, Mapping):
            # Without the value, which may be secret.
            raise TypeError(
                f'inject of atom {name or type(self).__name__} must be a mapping, not this {type(inject).__name__}')
        if ignore_list is not None:
            as_names(ignore_list, 'ignore_list')
        self.inject = inject
        # A dictionary is made of it for those who ask: most results are saved as a whole.
        self._saves = _saves(name or type(self).__name__, self.default_provides if provides is None else provides)
        if not auto_extract or requires or revert_rebind or revert_requires or inject:
            binding = self._make_binding(
                as_names(requires), auto_extract, rebind, revert_rebind,
                as_names(revert_requires, 'revert_requires'))
        elif not rebind:
            binding = self._shared_binding(())
        elif type(rebind) is dict:
            binding = self._shared_binding(tuple(rebind))
            self._rebound = tuple(rebind.values())
        else:
            binding = self._make_binding((), True, rebind, None, ())
        self._binding: Binding = binding

    def _shared_binding(self, arguments: tuple[str, ...]) -> Binding:
        """Return the binding of the atoms of this class that say no more than symbols for these arguments."""
        cls = type(self)
        known: dict[tuple[str, ...], Binding] | None = cls.__dict__.get('_bindings')
        if known is None:
            known = cls._bindings = {}  # type: ignore[attr-defined]  # a cache, per class
        binding = known.get(arguments)
        if binding is None:
            binding = self._make_binding((), True, dict(zip(arguments, arguments, strict=True)), None, (), arguments)
            if len(known) < _MOST_BINDINGS and self._signatures_of_class():
                known[arguments] = binding
        return binding

    def _signatures_of_class(self) -> bool:
        """Whether every atom of this class has the same signatures."""
        return True

    def _signatures(self) -> tuple[signature.Signature, signature.Signature]:
        """Return the signatures of what is called to execute and to revert."""
        cls = type(self)
        known: tuple[signature.Signature, signature.Signature] | None = cls.__dict__.get('_known_signatures')
        if known is None:
            known = self._signature_of('execute'), self._signature_of('revert')
            cls._known_signatures = known  # type: ignore[attr-defined]  # a cache, per class
        return known

    def _signature_of(self, method: str) -> signature.Signature:
        import inspect
        cls = type(self)
        # A function on the class still takes ``self``; static and class methods, and other things that can be called,
        # do not.
        return signature.read(getattr(cls, method), bound=inspect.isfunction(inspect.getattr_static(cls, method)))

    def _make_binding(
        self, requires: tuple[str, ...], infer: bool, rebind: Rebind, revert_rebind: Rebind,
        revert_requires: tuple[str, ...], arguments: tuple[str, ...] = (),
    ) -> Binding:
        who = self.name or type(self).__name__
        execute, revert = self._signatures()
        forward = _bind(who, 'execute', execute, self._reserved, requires, rebind, infer)
        backward = _bind(
            who, 'revert', revert, self._revert_reserved, revert_requires or requires, revert_rebind or rebind, infer)
        return Binding(forward, backward, self.inject.keys() if self.inject else (), arguments)

    @property
    def requires(self) -> sets.OrderedSet[str]:
        """Symbols that the store or other atoms must give: those of ``execute`` first, then of ``revert``."""
        return self._binding.requires(self._rebound)

    @property
    def optional(self) -> sets.OrderedSet[str]:
        """Symbols that ``execute`` is given where they have a value."""
        return self._binding.optional()

    @property
    def revert_optional(self) -> sets.OrderedSet[str]:
        """Symbols that ``revert`` is given where they have a value."""
        return self._binding.revert_optional()

    @property
    def rebind(self) -> dict[str, str]:
        """``{argument: symbol}`` of ``execute``; not to be changed."""
        return self._binding.renamed(self._binding.rebind, self._rebound)

    @property
    def revert_rebind(self) -> dict[str, str]:
        """``{argument: symbol}`` of ``revert``; not to be changed."""
        return self._binding.renamed(self._binding.revert_rebind, self._rebound)

    @property
    def provides(self) -> sets.OrderedSet[str]:
        """Symbols that the result is saved as."""
        saves = self._saves
        if saves is None:
            return _NO_SYMBOLS
        return sets.OrderedSet((saves,) if isinstance(saves, str) else saves)

    @property
    def save_as(self) -> dict[Any, Any]:
        """``{symbol: index into the result}``; the index is None where the result as a whole is meant."""
        saves = self._saves
        if not isinstance(saves, dict):
            saves = self._saves = {} if saves is None else {saves: None}
        return saves

    @save_as.setter
    def save_as(self, saves: dict[Any, Any]) -> None:
        self._saves = saves

    def pre_execute(self) -> None:
        """Run before ``execute``; what it raises fails the atom."""

    @abc.abstractmethod
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work, and return what it provides."""

    def post_execute(self) -> None:
        """Run after ``execute``, also where that raised."""

    def pre_revert(self) -> None:
        """Run before ``revert``."""

    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """Undo the work; may be called for an ``execute`` that failed, or that never reported its end."""

    def post_revert(self) -> None:
        """Run after ``revert``, also where that raised."""

    def __str__(self) -> str:
        version = self.version
        if isinstance(version, list | tuple):
            version = '.'.join(str(part) for part in version)
        return f'"{self.name}=={version}"'

    def __repr__(self) -> str:
        cls = type(self)
        return f'<{cls.__module__}.{cls.__name__} {self}>'
