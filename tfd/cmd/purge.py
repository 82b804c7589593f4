# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage purge``: removes jobs that are done, with everything that was recorded of them."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping

from tfd import exceptions
from tfd.cmd import arguments, database
from tfd.conf import deployment
from tfd.conf import retention as options
from tfd.jobs import retention

__all__ = ['COMMANDS']

_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
_LOOK = 1000


class Purge(database.Command):
    """Remove jobs that are done, in small transactions beside a running system.

    Without --older-than it is those that the section [retention] lets go. Jobs that wait, run or are parked stay,
    unless --job names one that does not run.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of its options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--older-than', type=_age, metavar='AGE',
            help='Those that have been done for longer, as 90d, 12h, 30m or 45s.')
        parser.add_argument(
            '--outcome', action='append', choices=retention.OUTCOMES,
            help='Only those that ended so; may be repeated.')
        parser.add_argument(
            '--batch', type=arguments.positive, metavar='JOBS', help='How many one transaction removes at most.')
        parser.add_argument(
            '--dry-run', action='store_true', help='Only say how many there are.')
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            '--job', action='append', default=[], metavar='JOB',
            help='Only this job, also one that waits or is parked, not one that runs; may be repeated.')
        what.add_argument(
            '--orphans', action='store_true',
            help='Instead of jobs, flows without a job, that users of the library recorded, that have ended and were '
                 'not changed for --older-than.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove them, or count them."""
        conf = self.app.conf()
        with self.checked_backend() as backend:
            kept = backend.retention()
            if parsed_args.job:
                self._jobs(backend, kept, parsed_args)
            elif parsed_args.orphans:
                self._orphans(kept, parsed_args)
            else:
                batch = parsed_args.batch or conf.retention.batch
                self._expired(kept, _days(parsed_args, options.days(conf)), batch, parsed_args.dry_run)

    def _expired(self, kept: retention.Retention, days: Mapping[str, float], batch: int, dry_run: bool) -> None:
        wanted = retention.expiries(days, time.time())
        if not wanted:
            raise exceptions.BadConfiguration(
                '[retention]', 'nothing', 'success_days or reverted_days; or use --older-than')
        counts = dict.fromkeys((expiry.outcome for expiry in wanted), 0)
        if dry_run:
            counts.update((expiry.outcome, kept.count(expiry)) for expiry in wanted)
        else:
            for outcome, removed in retention.remove_all(kept, wanted, batch):
                counts[outcome] += removed
        for outcome, count in counts.items():
            self._tell(dry_run, f'{count} jobs that ended in {outcome}')

    def _jobs(self, backend: deployment.JobBackend, kept: retention.Retention, parsed_args: argparse.Namespace) -> None:
        for job_id in parsed_args.job:
            if parsed_args.dry_run:
                backend.jobs().get(job_id)
            else:
                kept.remove(job_id)
            self._tell(parsed_args.dry_run, f'job {job_id}')

    def _orphans(self, kept: retention.Retention, parsed_args: argparse.Namespace) -> None:
        if parsed_args.older_than is None:
            raise exceptions.BadConfiguration('--older-than', None, 'an age such as 90d, with --orphans')
        before = time.time() - parsed_args.older_than
        total, after = 0, ''
        while True:
            found, following = kept.orphans(before, after, parsed_args.batch or _LOOK, not parsed_args.dry_run)
            total += found
            if following is None:
                break
            after = following
        self._tell(parsed_args.dry_run, f'{total} flows without a job')

    def _tell(self, dry_run: bool, what: str) -> None:
        self.say(f'{"would remove" if dry_run else "removed"} {what}')


def _days(parsed_args: argparse.Namespace, configured: Mapping[str, float]) -> dict[str, float]:
    wanted = parsed_args.outcome or retention.OUTCOMES
    if parsed_args.older_than is None:
        return {outcome: configured[outcome] for outcome in wanted}
    return dict.fromkeys(wanted, parsed_args.older_than / 86400)


def _age(text: str) -> float:
    found = re.fullmatch(r'(\d+(?:\.\d+)?)([smhd])', text)
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is no age such as 90d, 12h, 30m or 45s')
    return float(found[1]) * _SECONDS[found[2]]


COMMANDS = {'purge': Purge}
