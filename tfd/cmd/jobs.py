# SPDX-License-Identifier: Apache-2.0
"""``tfd job post|list|show|wait|retry|history``."""

from __future__ import annotations

import argparse
import datetime
import json
import math
from collections.abc import Sequence
from typing import Any

from tfd import exceptions, states
from tfd.client import Client
from tfd.cmd import arguments, exits, shell
from tfd.jobs import record
from tfd.persistence import history

__all__ = ['COMMANDS']

_COLUMNS = ('id', 'name', 'flow', 'state', 'outcome', 'owner', 'priority', 'created_at')
_PARKED = ('id', 'name', 'flow', 'attempts', 'outcome', 'updated_at', 'reason')
_FIELDS = ('id', 'name', 'flow', 'version', 'token', 'state', 'outcome', 'reason', 'log', 'owner',
           'priority', 'not_before', 'attempts', 'claims', 'epoch', 'seq', 'shard', 'book_uuid',
           'flow_uuid', 'created_at', 'updated_at')
_EVENT = ('at', 'subject', 'state', 'attempt', 'seconds', 'epoch', 'owner', 'text')
_TIMES = frozenset(('not_before', 'created_at', 'updated_at'))
_STATES = (states.UNCLAIMED, states.CLAIMED, states.COMPLETE, states.PARKED)


class _OneJob(shell.ShowOne):
    """A command that shows one job. The job's store is not shown: it may hold secrets."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        with Client(self.app.conf()) as client:
            job = self.find(client, parsed_args)
        return _FIELDS, [_field(job, name) for name in _FIELDS]

    def find(self, client: Client, args: argparse.Namespace) -> record.Job:
        raise NotImplementedError


class PostJob(_OneJob):
    """Post a job, and show it; posting a token again shows the job that it gave the first time."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument('flow', help='The name of the flow factory.')
        parser.add_argument(
            '--store', action='append', default=[], metavar='NAME=VALUE',
            help='An input of the flow, as text; may be repeated.')
        parser.add_argument(
            '--store-json', metavar='JSON', help="Inputs of the flow, as an object: '{\"a\": 1}'.")
        parser.add_argument('--token', help='Your own name for this job, made once.')
        parser.add_argument('--name', help='A name for people.')
        parser.add_argument(
            '--priority', type=_priority, default=0, metavar='NUMBER',
            help='A number, or one of ' + ', '.join(p.name for p in record.Priority) + '.')
        parser.add_argument(
            '--not-before', type=_moment, metavar='TIME',
            help='Do not run it before this time: ISO 8601 with a time zone, or seconds since '
                 '1970-01-01 UTC.')
        return parser

    def find(self, client: Client, args: argparse.Namespace) -> record.Job:
        """Post the job."""
        return client.post(
            args.flow, store=_store(args.store_json, args.store), token=args.token,
            priority=args.priority, name=args.name, not_before=args.not_before)


class ShowJob(_OneJob):
    """Show a job; of a parked one, why it is that and what was logged last about it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument('job', nargs='?', help='The id of the job.')
        which.add_argument('--token', help='The token that it was posted with, instead of its id.')
        return parser

    def find(self, client: Client, args: argparse.Namespace) -> record.Job:
        """Get the job."""
        return client.get(args.job) if args.token is None else client.find(args.token)


class WaitJob(_OneJob):
    """Wait until a job is complete or parked, and show it.

    Ends with status 0 where it ended in SUCCESS, 7 where it did not, 6 where it is not done in time.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument('job', help='The id of the job.')
        parser.add_argument('--timeout', type=_timeout, default=300.0, metavar='SECONDS',
                            help='How long to wait (default: %(default)g).')
        return parser

    def find(self, client: Client, args: argparse.Namespace) -> record.Job:
        """Wait for the job."""
        job = client.wait(args.job, timeout=args.timeout)
        if job.outcome != states.SUCCESS:
            self.status = exits.Exit.NOT_SUCCESS
        return job


class RetryJob(_OneJob):
    """Let a parked job go on from its last recorded step, and show it; its attempts are forgotten."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument('job', help='The id of the job.')
        return parser

    def find(self, client: Client, args: argparse.Namespace) -> record.Job:
        """Make it claimable."""
        return client.release(args.job)


class ListJobs(shell.Lister):
    """List jobs, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--state', action='append', default=[], choices=_STATES,
                            type=str.upper, help='Only those in this state; may be repeated.')
        parser.add_argument('--parked', action='append_const', const=states.PARKED, dest='state',
                            help='The same as --state PARKED, with the reason of each.')
        parser.add_argument('--owner', help='Only those that this incarnation owns.')
        parser.add_argument('--limit', type=arguments.positive, default=100,
                            help='How many to list at most (default: %(default)d).')
        parser.add_argument('--before', metavar='JOB',
                            help='Only those before this one, the last of the page above.')
        parser.add_argument('--long', action='store_true',
                            help='All that is known of each, such as why it is parked.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Any]:
        """List the jobs."""
        with Client(self.app.conf()) as client:
            jobs = client.list(states=parsed_args.state, owner=parsed_args.owner,
                               limit=parsed_args.limit, before=parsed_args.before)
        columns: Sequence[str] = _PARKED if parsed_args.state == [states.PARKED] else _COLUMNS
        if parsed_args.long:
            columns = _FIELDS
        return columns, [[_field(job, name) for name in columns] for job in jobs]


class JobHistory(shell.Lister):
    """List what happened in the flow of a job, oldest first: who did what and when, as recorded with it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument('job', help='The id of the job.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Any]:
        """List the events."""
        with Client(self.app.conf()) as client:
            events = client.history(parsed_args.job)
        return _EVENT, [[_event_field(event, name) for name in _EVENT] for event in events]


def _event_field(event: history.Event, name: str) -> Any:
    value = getattr(event, name)
    if name == 'at':
        return arguments.time_text(value)
    if name == 'seconds':
        return '' if value is None else round(value, 3)
    return '' if name == 'attempt' and not value else value


def _field(job: record.Job, name: str) -> Any:
    if name == 'reason':
        return job.cause
    if name == 'log':
        return '\n'.join(job.log)
    value = getattr(job, name)
    return arguments.time_text(value) if name in _TIMES else value


def _store(text: str | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Put together the inputs that a command line gives.

    :raises InvalidFormat: some of it cannot be read.
    """
    try:
        store = json.loads(text) if text else {}
    except ValueError as err:
        raise exceptions.InvalidFormat(f'--store-json is not JSON: {err}') from None
    if not isinstance(store, dict):
        raise exceptions.InvalidFormat(
            f'--store-json is a JSON {type(store).__name__}: expected an object')
    for pair in pairs:
        name, found, value = pair.partition('=')
        if not found or not name:
            raise exceptions.InvalidFormat(f'--store {pair!r}: expected NAME=VALUE')
        store[name] = value
    return store


def _priority(text: str) -> int:
    try:
        return int(record.Priority[text.upper().replace('-', '_')])
    except KeyError:
        pass
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number nor a name') from None


def _moment(text: str) -> float | datetime.datetime:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a time') from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f'{text!r} has no time zone')
    return moment


def _timeout(text: str) -> float:
    seconds = float(text)
    if math.isnan(seconds):
        raise ValueError('nan is no number of seconds')
    return seconds


COMMANDS = {
    'job post': PostJob,
    'job list': ListJobs,
    'job show': ShowJob,
    'job wait': WaitJob,
    'job retry': RetryJob,
    'job history': JobHistory,
}
