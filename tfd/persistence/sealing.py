# SPDX-License-Identifier: Apache-2.0
"""What is secret in stored values: by which names, and with which keys it is encrypted.

Keys are Fernet keys (AES-128 in CBC mode with HMAC-SHA-256). Each has an id, the begin of a hash of it, which is stored
with whatever it encrypted: so it is known which key is missing, and what is left to be encrypted anew, without
decrypting anything.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from tfd import exceptions

__all__ = ['Sealing', 'generate_key', 'key_id']

#: Names at which settings say so; matched anywhere in a name, whatever its case.
_KEYS, _NAMES = 'secret_keys', 'secret_names'
_ID = 8


def generate_key() -> str:
    """Return a new key.

    :raises BadConfiguration: the package cryptography is not installed.
    """
    generated: bytes = _fernet().Fernet.generate_key()
    return generated.decode()


def key_id(key: str) -> str:
    """Return what a key is called where it is not to be shown."""
    return hashlib.sha256(key.encode()).hexdigest()[:_ID]


def _fernet() -> Any:
    try:
        # Late: who has no secrets needs no cryptography.
        from cryptography import fernet
    except ImportError as err:
        raise exceptions.BadConfiguration(
            _KEYS, '***', "none, or the package cryptography to be installed: 'pip install tfd[secrets]'") from err
    return fernet


class Sealing:
    """Encrypts secret values, and tells which values are secret by their names. Safe to use from any thread.

    :param keys: the first encrypts, all of them decrypt; none at all: secrets have no stored form.
    :param names: parts of names, of inputs, results and members of dictionaries, whose values are secret.
    :raises BadConfiguration: a key is none; the message does not repeat it.
    """

    def __init__(self, keys: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._keys = {key_id(key): _cipher(key) for key in keys}
        self._names = tuple(sorted({name.lower() for name in names if name}))
        self._known: dict[str, bool] = {}

    @classmethod
    def take(cls, options: dict[str, Any]) -> Sealing:
        """Return what a backend's options ask for, and take those out: ``secret_keys``, ``secret_names``.

        Each is a list, or text with commas.

        :raises BadConfiguration: one of them cannot be used.
        """
        return cls(_listed(options.pop(_KEYS, ()), _KEYS), _listed(options.pop(_NAMES, ()), _NAMES))

    # -- names -------------------------------------------------------------------------------------

    @property
    def has_names(self) -> bool:
        """Whether anything is secret by its name."""
        return bool(self._names)

    def is_named(self, name: str) -> bool:
        """Tell whether what has this name is secret."""
        known = self._known.get(name)
        if known is None:
            lowered = name.lower()
            known = any(part in lowered for part in self._names)
            if len(self._known) < 10_000:
                self._known[name] = known
        return known

    def may_have_names(self, text: str) -> bool:
        """Tell whether a text of JSON can have members with such names; True does not mean that it has."""
        if not self._names or '{' not in text:
            return False
        lowered = text.lower()
        return any(part in lowered for part in self._names)

    # -- keys --------------------------------------------------------------------------------------

    @property
    def has_keys(self) -> bool:
        """Whether secrets can be stored."""
        return bool(self._keys)

    @property
    def current(self) -> str:
        """The id of the key that encrypts, '' where there is none."""
        return next(iter(self._keys), '')

    @property
    def known(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(self._keys)

    def seal(self, text: str) -> tuple[str, str]:
        """Return the id of the key that encrypts, and the text encrypted."""
        current = self.current
        sealed: bytes = self._keys[current].encrypt(text.encode())
        return current, sealed.decode()

    def open(self, key: str, sealed: str) -> str:
        """Return the text that was encrypted with this key.

        :raises UnknownKey: it is not among the keys.
        :raises InvalidFormat: what is stored is not what that key made.
        """
        cipher = self._keys.get(key)
        if cipher is None:
            raise exceptions.UnknownKey(key, sorted(self._keys))
        try:
            opened: bytes = cipher.decrypt(sealed.encode())
        except _fernet().InvalidToken as err:
            raise exceptions.InvalidFormat(f'a stored secret is damaged: key {key} does not decrypt it') from err
        return opened.decode()


def _cipher(key: str) -> Any:
    made = _fernet().Fernet
    try:
        return made(key.encode())
    except (ValueError, TypeError, AttributeError, binascii.Error):
        # From nothing: what is said of it could have a part of the key in it.
        raise exceptions.BadConfiguration(
            _KEYS, '***', "keys such as 'tfd-manage secrets generate-key' prints") from None


def _listed(value: Any, option: str) -> list[str]:
    if isinstance(value, str):
        value = value.split(',')
    if isinstance(value, Mapping) or not all(isinstance(item, str) for item in value or ()):
        raise exceptions.BadConfiguration(option, '***', 'a list of texts')
    return [item.strip() for item in value or () if item.strip()]
