# SPDX-License-Identifier: Apache-2.0
"""Numbers and times as commands read and show them."""

from __future__ import annotations

import argparse
import datetime
from typing import Any

__all__ = ['positive', 'time_text']


def positive(text: str) -> int:
    """Return a whole number above 0, for :mod:`argparse`.

    :raises ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def time_text(value: float) -> Any:
    """Return a time for people: ISO 8601 in UTC, '' where there is none, the number where no calendar has it.

    :param value: seconds since 1970-01-01 UTC.
    """
    if not value:
        return ''
    try:
        moment = datetime.datetime.fromtimestamp(value, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return value
    return moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
