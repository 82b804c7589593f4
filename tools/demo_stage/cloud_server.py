# SPDX-License-Identifier: Apache-2.0
"""The demo's cloud over HTTP, on a free port of the loopback interface.

    GET    /                      what this is
    GET    /inventory             everything that exists
    GET    /ledger[?after=N]      every effect, oldest first
    GET    /KIND[?name=…&key=…]   KIND is servers, volumes or attachments
    POST   /KIND                  202, or 200 where the Idempotency-Key made it before
    GET    /KIND/ID
    DELETE /KIND/ID               202; later GET answers 404

Run it as ``python -m demo_stage.cloud_server`` with ``tools`` on the path.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import pathlib
import signal
import time
import urllib.parse
from typing import Any

from demo_stage import cloud

__all__ = ['Server', 'main']

#: The largest request body that is read, in bytes.
MAX_BODY = 65536


class Server(http.server.ThreadingHTTPServer):
    """Serves one cloud, a thread per connection; ``url`` says where.

    The caller runs ``serve_forever`` and closes it.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, held: cloud.Cloud, port: int = 0) -> None:
        super().__init__(('127.0.0.1', port), _Handler)
        self.cloud = held
        self.url = f'http://127.0.0.1:{self.server_address[1]}'


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30
    server: Server

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the ledger is the log."""

    def _answer(self, handle: Any) -> None:
        split = urllib.parse.urlsplit(self.path)
        path = [urllib.parse.unquote(part) for part in split.path.split('/') if part]
        query = dict(urllib.parse.parse_qsl(split.query))
        try:
            status, value = handle(path, query)
        except cloud.CloudError as err:
            status, value = err.status, {'error': {'reason': err.reason, 'message': str(err)}}
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _get(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        held = self.server.cloud
        match path:
            case []:
                return 200, {'cloud': 'demo', 'kinds': list(cloud.STATES), 'pid': os.getpid()}
            case ['inventory']:
                return 200, held.inventory()
            case ['ledger']:
                after = query.get('after', '0')
                if not after.isdecimal():
                    raise cloud.CloudError(400, 'malformed', f'after must be a number: {after!r}')
                return 200, held.ledger(int(after))
            case [kind] if kind in cloud.STATES:
                return 200, held.select(kind, **query)
            case [kind, id] if kind in cloud.STATES:
                return 200, held.show(kind, id)
        raise _no_such_path(path)

    def _post(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        body = self._body()
        match path:
            case [kind] if kind in cloud.STATES:
                shown, repeated = self.server.cloud.create(
                    kind, body, self.headers.get('Idempotency-Key'))
                return 200 if repeated else 202, shown
        raise _no_such_path(path)

    def _delete(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        match path:
            case [kind, id] if kind in cloud.STATES:
                return 202, self.server.cloud.delete(kind, id)
        raise _no_such_path(path)

    def _body(self) -> dict[str, Any]:
        length = self.headers.get('Content-Length', '')
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            raise cloud.CloudError(400, 'malformed',
                                   f'Content-Length must be at most {MAX_BODY}, not {length!r}')
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError as err:
            raise cloud.CloudError(400, 'malformed', f'the body is not JSON: {err}') from err
        if not isinstance(body, dict):
            raise cloud.CloudError(400, 'malformed', f'the body must be an object, not {body!r}')
        return body


def _no_such_path(path: list[str]) -> cloud.CloudError:
    return cloud.CloudError(404, 'unknown', f'there is nothing at /{"/".join(path)}')


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--url-file', type=pathlib.Path, help='write the URL here, once it answers')
    parser.add_argument('--port', type=int, default=0, help='default: a free one')
    usual = cloud.Delays()
    for name in ('servers', 'volumes', 'attachments', 'delete'):
        parser.add_argument(f'--{name}', type=float, default=getattr(usual, name),
                            metavar='SECONDS', help='how long it takes (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve a new, empty cloud until SIGTERM or Ctrl-C; always returns 0."""
    args = _parse(argv)
    delays = cloud.Delays(args.servers, args.volumes, args.attachments, args.delete)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Server(cloud.Cloud(delays, time.monotonic), args.port) as server:
        if args.url_file:
            part = args.url_file.with_suffix('.part')
            part.write_text(server.url + '\n')
            part.replace(args.url_file)
        print(server.url, flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
