# SPDX-License-Identifier: Apache-2.0
"""What JSON stands for which value: the typed extensions, written and read; see :mod:`tfd.persistence.codec`."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import importlib
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any

from tfd import exceptions
from tfd.persistence import written
from tfd.persistence.written import TAG as _TAG
from tfd.persistence.written import tagged as _tagged
from tfd.types import failure as ft
from tfd.types.secret import Secret

__all__ = ['SCALARS', 'Refused', 'expand', 'restore']

#: Exact types that JSON keeps as they are, and that contain nothing.
SCALARS = frozenset((type(None), bool, int, float, str))
#: Above this many bits Python refuses to print an integer in decimal (see sys.set_int_max_str_digits).
_INT_BITS = 14_000

#: Where inside a value: the enclosing path, how the step from it is written, and the step; None at the top.
_Path = tuple[Any, str, Any] | None


class Refused(Exception):
    """Some part of a value has no stored form."""

    def __init__(self, path: _Path, why: str) -> None:
        super().__init__(why)
        steps = []
        while path is not None:
            path, form, step = path
            steps.append(form % _printed(step))
        self.path = '$' + ''.join(reversed(steps))
        self.why = why


def _printed(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return f'<{_type_name(type(value))} that cannot be printed>'


# -- writing ---------------------------------------------------------------------------------------


def expand(value: Any) -> Any:
    """Return what JSON is to be written for a value; secrets in it are to be encrypted.

    :raises Refused: some part of it has no stored form.
    """
    return _expand(value, None)


def _expand(value: Any, path: _Path) -> Any:
    kind = type(value)
    if kind in SCALARS:
        return _tagged('int', hex(value)) if kind is int and value.bit_length() > _INT_BITS else value
    if kind is list:
        return _members(value, path)
    if kind is dict:
        return _expand_dict(value, path)
    for types, write in _WRITERS:
        if isinstance(value, types):
            return write(value, path)
    if dataclasses.is_dataclass(kind):
        return _expand_dataclass(value, path)
    raise Refused(path, _type_name(kind))


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'


def _members(values: Iterable[Any], path: _Path) -> list[Any]:
    return [_expand(value, (path, '[%s]', index)) for index, value in enumerate(values)]


def _expand_dict(value: dict[Any, Any], path: _Path) -> Any:
    if _TAG not in value and all(type(key) is str for key in value):
        return {key: _expand(member, (path, '[%s]', key)) for key, member in value.items()}
    pairs = [
        [_expand(key, (path, '.keys()[%s]', key)), _expand(member, (path, '[%s]', key))] for key,
        member in value.items()
    ]
    return _tagged('dict', pairs)


def _expand_datetime(value: datetime.datetime, path: _Path) -> Any:
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo) and value.tzinfo.key:
        return _tagged('datetime', value.replace(tzinfo=None, fold=0).isoformat(), value.fold, value.tzinfo.key)
    return _tagged('datetime', value.replace(fold=0).isoformat(), value.fold)


def _expand_time(value: datetime.time, path: _Path) -> Any:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Refused(path, f'time in zone {value.tzinfo}')
    return _tagged('time', value.isoformat(), value.fold)


def _class_path(kind: type, path: _Path) -> str:
    """Return the import path of a class, having made sure that it leads there."""
    name = f'{kind.__module__}:{kind.__qualname__}'
    try:
        found = _find_class(name)
    except exceptions.InvalidFormat:
        found = None
    if found is not kind:
        raise Refused(path, f'{_type_name(kind)} (a class that cannot be imported by that name)')
    return name


def _expand_enum(value: enum.Enum, path: _Path) -> Any:
    if value.name not in type(value).__members__:
        # A combination of flags has no name of its own.
        return _tagged('enum', _class_path(type(value), path), None, _expand(value.value, path))
    return _tagged('enum', _class_path(type(value), path), value.name)


def _expand_dataclass(value: Any, path: _Path) -> Any:
    name = _class_path(type(value), path)
    fields = {
        field.name: _expand(getattr(value, field.name), (path, '[%s]', field.name))
        for field in dataclasses.fields(value) if hasattr(value, field.name)
    }
    return _tagged('dataclass', name, [[field, member] for field, member in fields.items()])


def _expand_failure(value: ft.Failure, path: _Path) -> Any:
    return _tagged('failure', _failure_fields(value.to_dict(), path))


def _failure_fields(fields: dict[str, Any], path: _Path) -> dict[str, Any]:
    """Return a failure's dictionary in storable form. An argument that has none becomes its text: none is refused."""
    args = [_argument(arg, path) for arg in fields.get('exc_args') or ()]
    causes = [_failure_fields(cause, path) for cause in fields.get('causes') or ()]
    return {**fields, 'exc_args': args, 'causes': causes, 'exc_type_names': list(fields['exc_type_names'])}


def _argument(arg: Any, path: _Path) -> Any:
    try:
        return _expand(arg, path)
    except (Refused, RecursionError):
        return _printed(arg)


def _expand_exception(value: BaseException, path: _Path) -> Any:
    if not isinstance(value, Exception):
        raise Refused(path, _type_name(type(value)))
    return _expand_failure(ft.Failure.from_exception(value), path)


#: Types that have an extension, and how it is written. The first that fits is taken: enumerations may be integers or
#: text.
_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, _Path], Any]], ...] = (
    (enum.Enum, _expand_enum),
    (Secret, lambda value, path: written.Hidden(_expand(value.reveal(), path), path=path)),
    (ft.Failure, _expand_failure),
    (BaseException, _expand_exception),
    (tuple, lambda value, path: _tagged('tuple', *_members(value, path))),
    (set, lambda value, path: _tagged('set', *_members(value, path))),
    (frozenset, lambda value, path: _tagged('frozenset', *_members(value, path))),
    (bytes, lambda value, path: _tagged('bytes', base64.b64encode(value).decode())),
    (bytearray, lambda value, path: _tagged('bytearray', base64.b64encode(value).decode())),
    (datetime.datetime, _expand_datetime),
    (datetime.date, lambda value, path: _tagged('date', value.isoformat())),
    (datetime.time, _expand_time),
    (datetime.timedelta, lambda value, path: _tagged('timedelta', value.days, value.seconds, value.microseconds)),
    (uuid.UUID, lambda value, path: _tagged('uuid', value.hex)),
    (decimal.Decimal, lambda value, path: _tagged('decimal', str(value))),
    (complex, lambda value, path: _tagged('complex', value.real, value.imag)),
    # Subclasses of what JSON has; dataclasses that are dicts or lists too are rare enough.
    (str, lambda value, path: str.__str__(value)),
    (int, lambda value, path: _expand(int(value), path)),
    (float, lambda value, path: float(value)),
    (list, _members),
    (dict, lambda value, path: _expand_dict(dict(value), path)),
)


# -- reading ---------------------------------------------------------------------------------------


def restore(open_secret: Callable[..., Any], pairs: dict[str, Any]) -> Any:
    """Return the value of an extension whose parts were restored already; any other object as it is."""
    if len(pairs) != 1 or _TAG not in pairs:
        return pairs
    kind, *parts = pairs[_TAG]
    read = open_secret if kind == 'secret' else _READERS.get(kind)
    if read is None:
        raise exceptions.InvalidFormat(f'a stored value is of kind {kind!r}, which this release does not know')
    return read(*parts)


def _find_class(name: str) -> type:
    """Return the class at ``module:qualified name``.

    :raises InvalidFormat: there is none.
    """
    module, _, path = name.partition(':')
    try:
        found: Any = importlib.import_module(module)
        for step in path.split('.'):
            found = getattr(found, step)
    except (ImportError, AttributeError, ValueError) as err:
        raise exceptions.InvalidFormat(f'a stored value is a {name}, which cannot be imported here') from err
    if not isinstance(found, type):
        raise exceptions.InvalidFormat(f'a stored value is a {name}, which is no class here')
    return found


def _read_datetime(text: str, fold: int, zone: str | None = None) -> datetime.datetime:
    when = datetime.datetime.fromisoformat(text).replace(fold=fold)
    return when if zone is None else when.replace(tzinfo=zoneinfo.ZoneInfo(zone))


def _read_enum(name: str, member: str | None, value: Any = None) -> enum.Enum:
    found = _find_class(name)
    if not issubclass(found, enum.Enum):
        raise exceptions.InvalidFormat(f'a stored value is a {name}, which is no enumeration here')
    return found(value) if member is None else found[member]


def _read_dataclass(name: str, fields: list[list[Any]]) -> Any:
    """Return an instance with these fields, made without its constructor: what was stored is what comes back.

    A field that the class got since takes its default, one that it lost is left out.
    """
    found = _find_class(name)
    if not dataclasses.is_dataclass(found):
        raise exceptions.InvalidFormat(f'a stored value is a {name}, which is no dataclass here')
    stored = {field: value for field, value in fields}
    instance = object.__new__(found)
    for field in dataclasses.fields(found):
        if field.name in stored:
            object.__setattr__(instance, field.name, stored[field.name])
        elif field.default_factory is not dataclasses.MISSING:
            object.__setattr__(instance, field.name, field.default_factory())
        elif field.default is not dataclasses.MISSING:
            object.__setattr__(instance, field.name, field.default)
    return instance


_READERS: dict[str, Callable[..., Any]] = {
    'bytearray': lambda text: bytearray(base64.b64decode(text)),
    'bytes': base64.b64decode,
    'complex': complex,
    'dataclass': _read_dataclass,
    'date': datetime.date.fromisoformat,
    'datetime': _read_datetime,
    'decimal': decimal.Decimal,
    'dict': lambda pairs: {key: value for key, value in pairs},
    'enum': _read_enum,
    'failure': ft.Failure.from_dict,
    'frozenset': lambda *members: frozenset(members),
    'int': lambda text: int(text, 16),
    'set': lambda *members: set(members),
    'time': lambda text, fold: datetime.time.fromisoformat(text).replace(fold=fold),
    'timedelta': datetime.timedelta,
    'tuple': lambda *members: members,
    'uuid': lambda text: uuid.UUID(hex=text),
}
