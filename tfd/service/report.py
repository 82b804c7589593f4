# SPDX-License-Identifier: Apache-2.0
"""The guru meditation report: what a process of the daemon is doing, written on SIGUSR2.

One report is made of each process: its package, its threads with what each is in, its green threads where there are
any, its place among the processes, its configuration with secrets masked, and the section that is tfd's own: of a
worker the jobs that it runs, of the parent what the workers say of themselves.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import gc
import importlib.metadata
import logging
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_reports import report as reports
from oslo_reports.generators import conf as of_conf
from oslo_reports.generators import process as of_process
from oslo_reports.generators import threading as of_threads
from oslo_reports.generators import version as of_version
from oslo_reports.models import threading as threads
from oslo_reports.models import with_default_views as models
from oslo_reports.views.text import generic as views

from tfd.conductors import runner
from tfd.service import notices

__all__ = ['Sections', 'jobs', 'make', 'on_signal', 'workers', 'write']

LOG = logging.getLogger(__name__)

#: What a process adds to its report: by title, what returns the lines of a section, as name and value.
Sections = Mapping[str, Callable[[], Mapping[str, Any]]]


class _Version:
    """What the report says of the package."""

    def vendor_string(self) -> str:
        """Return who made it."""
        return 'the tfd authors'

    def product_string(self) -> str:
        """Return what it is."""
        return 'tfd-conductor'

    def version_string_with_package(self) -> str:
        """Return its version."""
        return importlib.metadata.version('tfd')


def jobs(runs: Sequence[runner.Running]) -> Mapping[str, Any]:
    """Return the section of the jobs that a worker runs, the oldest run first."""
    found: dict[str, Any] = {'running': len(runs)}
    for run in sorted(runs, key=lambda run: run.since):
        since = datetime.datetime.fromtimestamp(run.since, datetime.UTC).isoformat(timespec='seconds')
        atoms = ', '.join(run.atoms) or 'none'
        found[f'job {run.job}'] = {'flow': run.flow, 'epoch': run.epoch, 'since': since, 'running atoms': atoms}
    return found


def workers(said: Sequence[notices.Notice | None]) -> Mapping[str, Any]:
    """Return the section of what the workers say of themselves."""
    return {
        f'worker {number}': dataclasses.asdict(notice) if notice else 'not known'
        for number, notice in enumerate(said)}


def _model(section: Callable[[], Mapping[str, Any]]) -> models.ModelWithDefaultViews:
    return models.ModelWithDefaultViews(section())


def _green_threads() -> models.ModelWithDefaultViews:
    """Return the section of the green threads that are in something.

    Those that have ended say nothing, and can be many until the garbage collector finds them: 20,000 of them took the
    generator of oslo.reports 80 seconds.
    """
    kind = sys.modules['greenlet'].greenlet
    frames = [found.gr_frame for found in gc.get_objects() if isinstance(found, kind) and found.gr_frame is not None]
    return models.ModelWithDefaultViews(
        [threads.GreenThreadModel(frame) for frame in frames], text_view=views.MultiView())


def make(conf: cfg.ConfigOpts, sections: Sections) -> str:
    """Return the report of this process."""
    made = reports.TextReport('Guru Meditation')
    made.add_section('Package', of_version.PackageReportGenerator(_Version()))
    for title, section in sections.items():
        made.add_section(title, functools.partial(_model, section))
    made.add_section('Threads', of_threads.ThreadReportGenerator())
    if 'greenlet' in sys.modules:
        made.add_section('Green Threads', _green_threads)
    made.add_section('Processes', of_process.ProcessReportGenerator())
    made.add_section('Configuration', of_conf.ConfigReportGenerator(conf))
    return str(made.run())


def write(conf: cfg.ConfigOpts, sections: Sections) -> None:
    """Write the report of this process to where ``[oslo_reports] log_dir`` says. Never raises."""
    try:
        text = make(conf, sections)
        if not conf.oslo_reports.log_dir:
            print(text, file=sys.stderr, flush=True)
            return
        now = datetime.datetime.now(datetime.UTC)
        file = pathlib.Path(conf.oslo_reports.log_dir) / (
            f'tfd-conductor_gurumeditation_{now:%Y%m%d%H%M%S}_{os.getpid()}')
        file.write_text(text)
        LOG.info('report written: %s', file)
    except Exception:
        LOG.exception('no report could be written')


def on_signal(conf: cfg.ConfigOpts, sections: Sections) -> None:
    """Have a process that may start threads write its report on SIGUSR2; call this from its main thread.

    It is written by a thread of its own, so that whatever the main thread held is let go of.
    """
    def handle(_number: int, _frame: object) -> None:
        threading.Thread(target=write, args=(conf, sections), name='report', daemon=True).start()

    signal.signal(signal.SIGUSR2, handle)
