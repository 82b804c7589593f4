# SPDX-License-Identifier: Apache-2.0
"""Users' values as JSON text, and back: the one place that knows the bytes.

Plain JSON values (None, bool, int, float, str, and lists and string-keyed dicts of them) are stored as they are.
Whatever else has a stored form is an object with the single key ``"$"``: ``{"$": [kind, …]}``; a user's dict that has
that key, or keys that are not strings, is stored that way too (kind ``dict``), so that nothing can be mistaken for an
extension.

What comes back equals what went in, with these exceptions: an exception comes back as the
:class:`~tfd.types.failure.Failure` that describes it, a failure without the exception object (and with its texts cut,
its arguments left out, where it would be too large to be stored), and an instance of a subclass of a builtin (a
``namedtuple``, an ``OrderedDict``, a translated message) as that builtin. Nothing is ever pickled, and reading calls
no constructor but those of the types listed here: classes are named by import path, and only dataclasses and
enumerations are looked up.

A :class:`~tfd.types.secret.Secret` is stored encrypted, with the id of the key. So is what is secret by its name, which
comes back as the plain value that it was.
"""

from __future__ import annotations

import collections
import functools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from tfd import exceptions
from tfd.persistence import extensions, sealing, written
from tfd.persistence.extensions import SCALARS
from tfd.persistence.written import TAG, tagged
from tfd.types.secret import Secret

__all__ = ['SECRET', 'JsonCodec', 'keys_in', 'sealed_anew']

#: How the tag shows in the text of any value that has one.
_MARK = f'"{TAG}"'

_KEYS = frozenset((str,))
#: How a failure shows in the text of any value that has one.
_FAILURE = f'{{{_MARK}:["failure",'
#: How a secret shows in the text of any value that has one.
SECRET = f'{{{_MARK}:["secret",'
_SEALED = re.compile(re.escape(SECRET) + r'"([0-9a-f]+)","([A-Za-z0-9_=-]+)"')
#: Says of a stored secret that it comes back as a plain value.
_PLAIN = 'plain'

# The encoder of the standard library; ASCII only, so that no character set of a database matters, NUL included.
_encoder = functools.partial(json.JSONEncoder, ensure_ascii=True, check_circular=False, separators=(',', ':'))
_dumps = _encoder().encode


def _is_plain(value: Any) -> bool:
    """Tell whether JSON keeps this value exactly. Leaves are looked at by C code, a container at a time."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind is dict:
        if not _KEYS.issuperset(map(type, value)) or TAG in value:
            return False
        members: Iterable[Any] = value.values()
    elif kind is list:
        members = value
    else:
        return False
    if SCALARS.issuperset(map(type, members)):
        return True
    return all(type(member) in SCALARS or _is_plain(member) for member in members)


def keys_in(stored: str | None) -> collections.Counter[str]:
    """Return how many secrets each key encrypts in a stored text, by the ids of the keys."""
    return collections.Counter(key for key, _ in _SEALED.findall(stored or ''))


def sealed_anew(stored: str, keys: sealing.Sealing) -> str:
    """Return a stored text with all secrets in it encrypted with the first key, those inside of secrets too.

    Nothing is decoded: classes that it names need not exist here.

    :raises UnknownKey: the key of one is not here.
    :raises InvalidFormat: one is damaged.
    """
    def again(found: re.Match[str]) -> str:
        opened = keys.open(found[1], found[2])
        key, sealed = keys.seal(sealed_anew(opened, keys))
        return f'{SECRET}"{key}","{sealed}"'

    return _SEALED.sub(again, stored)


class JsonCodec:
    """Stores values as JSON text with typed extensions; see the module's description.

    :param excess: returns size and limit, in bytes, of a text that is too large to be stored, None for any other.
    :param keys: encrypts what is secret; without it, or without a key there, a Secret has no stored form.
    """

    __slots__ = ('_dumps', '_excess', '_names', '_restore', '_sealing')

    def __init__(
        self, excess: Callable[[str], tuple[int, int] | None] | None = None, keys: sealing.Sealing | None = None,
    ) -> None:
        self._excess = excess
        self._sealing = sealing.Sealing() if keys is None else keys
        self._names = self._sealing if self._sealing.has_keys and self._sealing.has_names else None
        self._dumps = _encoder(default=self._seal).encode
        self._restore = functools.partial(extensions.restore, self._open)

    @property
    def sealing(self) -> sealing.Sealing:
        """What is secret by its name, and the keys."""
        return self._sealing

    def encode(self, value: Any, what: str, secret: bool = False) -> str:
        """Return ``value`` as ASCII text.

        Where that is too large, the failures in it are cut down to their types and the begins of their texts first.

        :param what: whose value it is, for the error (``"result of atom 'a'"``).
        :param secret: all of it is secret by its name: encrypted where there is a key, and plain when it is decoded.
        :raises NotStorable: some part of the value has no stored form; that of a Secret needs a key.
        :raises TooLarge: it has one that is too large to be stored.
        """
        secret = secret and value is not None and self._names is not None
        text = self._written(value, what, secret)
        if self._excess is None or (found := self._excess(text)) is None:
            return text
        if _FAILURE in text:
            text = self._dumps(written.cut_failures(self._expanded(value, what, secret)))
            found = self._excess(text)
            if found is None:
                return text
        raise exceptions.TooLarge(what, *found)

    def _written(self, value: Any, what: str, secret: bool) -> str:
        try:
            if not secret and _is_plain(value):
                text = _dumps(value)
                if self._names is None or not self._names.may_have_names(text):
                    return text
        except RecursionError:
            raise _too_deep(what) from None
        except ValueError:
            # An integer too long for decimal notation: the extension has a notation for it.
            pass
        try:
            return self._dumps(self._expanded(value, what, secret))
        except _NeedsKey as err:
            raise exceptions.NoSecretKey(what, err.path) from None
        except RecursionError:
            raise _too_deep(what) from None

    def _expanded(self, value: Any, what: str, secret: bool) -> Any:
        """Return what JSON is to be written for a value, secrets in it still to be encrypted."""
        try:
            expanded = extensions.expand(value)
        except extensions.Refused as err:
            raise exceptions.NotStorable(what, err.path, err.why) from err
        if self._names is not None:
            expanded = written.hide_named(expanded, self._names.is_named)
        return written.Hidden(expanded, plain=True) if secret else expanded

    def _seal(self, hidden: written.Hidden) -> Any:
        """Return what is written for a secret; called by the encoder of JSON."""
        if not self._sealing.has_keys:
            raise _NeedsKey(hidden.path, 'Secret')
        sealed = self._sealing.seal(self._dumps(hidden.expanded))
        return tagged('secret', *sealed, *((_PLAIN,) if hidden.plain else ()))

    def _open(self, key: str, sealed: str, how: str = '') -> Any:
        opened = self.decode(self._sealing.open(key, sealed))
        return opened if how == _PLAIN else Secret(opened)

    def renewed(self, value: Any, what: str, stored: str | None) -> str:
        """Return ``value`` as text that comes in the place of another."""
        if stored is None or SECRET not in stored:
            return self.encode(value, what)
        if self.decode(stored) == value:
            return stored
        return self.encode(value, what, secret=stored.startswith(SECRET))

    def decode(self, stored: str | None) -> Any:
        """Return the value that was encoded; None for None.

        :raises InvalidFormat: the text is none that :meth:`encode` made, or names a class that cannot be found here.
        :raises UnknownKey: it is secret, and its key is not here.
        """
        if stored is None:
            return None
        try:
            if _MARK in stored:
                return json.loads(stored, object_hook=self._restore)
            return json.loads(stored)
        except (exceptions.InvalidFormat, exceptions.UnknownKey):
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as err:
            # The text may hold secrets: the message does not repeat it.
            raise exceptions.InvalidFormat(
                f'a stored value of {len(stored)} characters cannot be read: {type(err).__name__}') from err


class _NeedsKey(extensions.Refused):
    """Some part of a value is secret, and there is no key."""


def _too_deep(what: str) -> exceptions.NotStorable:
    return exceptions.NotStorable(what, '$', 'structure that contains itself, or is nested too deeply')
