# SPDX-License-Identifier: Apache-2.0
"""Counts the lines of Python that run, by package."""

from __future__ import annotations

import collections
import pathlib
import sys
from types import FrameType
from typing import Any, Self

import tfd

__all__ = ['LineCounter']

_ROOT = str(pathlib.Path(tfd.__file__).parent)


class LineCounter:
    """Counts, in this thread and inside a ``with`` block, the lines of tfd that run.

    :ivar lines: by the name of the package directly in tfd, such as ``scheduler``.
    """

    def __init__(self) -> None:
        self.lines: collections.Counter[str] = collections.Counter()
        self._packages: dict[str, str | None] = {}
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in self._packages:
            inside = name.startswith(_ROOT)
            self._packages[name] = pathlib.Path(name).relative_to(_ROOT).parts[0] if inside else None
        package = self._packages[name]
        if package is None:
            return None
        lines = self.lines

        def count(frame: FrameType, event: str, arg: Any) -> Any:
            if event == 'line':
                lines[package] += 1
            return count

        return count
