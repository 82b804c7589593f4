# SPDX-License-Identifier: Apache-2.0
"""A client of the demo's cloud: every call has a time-out, and is retried a few times."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

__all__ = ['CloudClient', 'CloudRefused', 'CloudTimeout', 'CloudUnavailable']

#: Seconds until one request is given up.
REQUEST_TIMEOUT = 5.0
#: Seconds before each further try of a request that got no answer, or a 5xx.
PAUSES = (0.1, 0.3, 0.9)
#: Seconds between two looks at something that is awaited.
POLL = 0.15


class CloudRefused(Exception):
    """The cloud does not carry out a request, and will not if it is asked again."""


class CloudUnavailable(Exception):
    """The cloud did not answer."""


class CloudTimeout(Exception):
    """Something did not happen in time."""


class CloudClient:
    """Talks to one cloud.

    Creates carry a key, so that repeating one, in this process or in the next, makes nothing twice.

    :param url: where the cloud is, without a path.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip('/')

    def create(self, kind: str, key: str, **fields: Any) -> str:
        """Begin to make what ``key`` stands for, unless that was begun before; return its id.

        :raises CloudRefused: the cloud does not make it.
        :raises CloudUnavailable: the cloud did not answer: it may have been made or not.
        """
        made = self._request('POST', f'/{kind}', fields, {'Idempotency-Key': key})
        return str(made['id'])

    def find(self, kind: str, key: str) -> str | None:
        """Return the id of what ``key`` made and that is not being deleted, or None."""
        found = self._request('GET', f'/{kind}?{urllib.parse.urlencode({"key": key})}')
        return str(found[0]['id']) if found else None

    def wait(
        self, kind: str, id: str, status: str, timeout: float,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Return when the resource has the status.

        :param progress: told how much of the work is done, from 0.0 to 1.0, when that changes.
        :raises CloudRefused: the resource does not exist any more.
        :raises CloudTimeout: it has another status after ``timeout`` seconds.
        """
        told = -1

        def look() -> str:
            nonlocal told
            shown = self._request('GET', f'/{kind}/{id}')
            if progress is not None and shown['progress'] != told:
                told = shown['progress']
                progress(told / 100)
            return str(shown['status'])

        _poll(look, lambda seen: seen == status, timeout, f'{kind}/{id} to be {status}')

    def delete(self, kind: str, id: str, timeout: float) -> None:
        """Remove the resource, and return when it is gone; fine if it is gone already.

        :raises CloudRefused: the resource is in use.
        :raises CloudTimeout: it is still there after ``timeout`` seconds.
        """
        def look() -> bool:
            try:
                self._request('DELETE', f'/{kind}/{id}')
            except _NotThere:
                return True
            return False

        _poll(look, lambda gone: gone, timeout, f'{kind}/{id} to be gone')

    def _request(self, method: str, path: str, body: Any = None,
                 headers: dict[str, str] | None = None) -> Any:
        """Return the decoded answer, after as many tries as :data:`PAUSES` allows."""
        data = None if body is None else json.dumps(body).encode()
        for pause in (*PAUSES, None):
            request = urllib.request.Request(self._url + path, data, headers or {}, method=method)
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as err:
                with err:
                    if err.code < 500:
                        raise _refusal(method, path, err) from None
                    problem: Exception = err
            except (OSError, http.client.HTTPException, ValueError) as err:
                problem = err
            if pause is not None:
                time.sleep(pause)
        raise CloudUnavailable(f'{method} {self._url}{path}: {problem}')


class _NotThere(CloudRefused):
    """What was asked for does not exist."""


def _refusal(method: str, path: str, err: urllib.error.HTTPError) -> CloudRefused:
    try:
        text = json.loads(err.read())['error']['message']
    except (ValueError, KeyError, TypeError, OSError):
        text = err.reason
    kind = _NotThere if err.code == 404 else CloudRefused
    return kind(f'{method} {path}: {err.code} {text}')


def _poll(look: Callable[[], Any], enough: Callable[[Any], bool], timeout: float,
          what: str) -> None:
    deadline = time.monotonic() + timeout
    while not enough(seen := look()):
        if time.monotonic() >= deadline:
            raise CloudTimeout(f'waited {timeout:.0f} s for {what}; last seen: {seen}')
        time.sleep(POLL)
