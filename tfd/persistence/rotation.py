# SPDX-License-Identifier: Apache-2.0
"""What becomes of stored values when keys are rotated, wherever they are stored."""

from __future__ import annotations

import collections

from tfd import exceptions
from tfd.persistence import codec
from tfd.persistence.base import SecretsBatch
from tfd.persistence.sealing import Sealing

__all__ = ['Rotation', 'check_keys']


def check_keys(keys: Sealing, rotate: bool) -> None:
    """Check that there is a key to encrypt with, if anything is to be encrypted.

    :raises BadConfiguration: there is none.
    """
    if rotate and not keys.has_keys:
        raise exceptions.BadConfiguration('secret_keys', '', 'a key to encrypt with')


class Rotation:
    """Looks at the values of one batch, and counts what it finds.

    :param rotate: encrypt anew what is not encrypted with the first key.
    """

    def __init__(self, keys: Sealing, rotate: bool) -> None:
        self._keys = keys
        self._rotate = rotate
        self._found: collections.Counter[str] = collections.Counter()
        self._unreadable: list[str] = []

    def look(self, stored: str | None, where: str) -> str | None:
        """Look at a value; return what is to be put in its place, None where it is to stay.

        :param where: names it, where no key here decrypts it.
        """
        used = codec.keys_in(stored)
        self._found.update(used)
        if stored is None or not self._rotate or not used.keys() - {self._keys.current}:
            return None
        try:
            return codec.sealed_anew(stored, self._keys)
        except (exceptions.UnknownKey, exceptions.InvalidFormat) as err:
            self._unreadable.append(f'{where}: {err}')
            return None

    def batch(self, changed: int, missed: int = 0) -> SecretsBatch:
        """Return what the values had.

        :param changed: how many were put in the place of others.
        :param missed: how many were not, because somebody else had changed those.
        """
        return SecretsBatch(dict(self._found), changed, missed, self._unreadable)
