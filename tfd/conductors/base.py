# SPDX-License-Identifier: Apache-2.0
"""Conductors of boards, as TaskFlow's users know them: they claim a board's jobs and run the flows of their logbooks.

A deployment that has its jobs in SQL runs the daemon instead (:mod:`tfd.conductors.conductor`).
"""

from __future__ import annotations

import abc
import functools
import os
import socket
from collections.abc import Mapping
from typing import Any

from tfd import engines, exceptions
from tfd.engines import base as running
from tfd.jobs import base as jobs
from tfd.persistence import base as persistences
from tfd.persistence import models
from tfd.types.entity import Entity
from tfd.types.notifier import Notifier

__all__ = ['Conductor']


class Conductor(abc.ABC):
    """Runs the jobs of a board, under a name.

    :param name: the owner of the jobs that it claims; another conductor of the board has another.
    :param jobboard: the board, the caller's.
    :param persistence: the backend of the jobs' logbooks, the caller's; those of flows that run.
    :param engine: the engine to run them with, by name.
    :param engine_options: its options.
    """

    #: The kind of entity that it is on its board.
    ENTITY_KIND = 'conductor'

    def __init__(
        self, name: str, jobboard: jobs.JobBoard, persistence: persistences.Backend | None = None,
        engine: str | None = None, engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        self._jobboard = jobboard
        self._persistence = persistence
        self._engine = engine or 'default'
        self._engine_options = dict(engine_options or {})
        self._notifier = Notifier()

    @functools.cached_property
    def conductor(self) -> Entity:
        """What it makes itself known as."""
        hostname = socket.gethostname()
        return Entity(
            self.ENTITY_KIND, f'{self._name}@{hostname}:{os.getpid()}', {'hostname': hostname, 'pid': os.getpid()})

    @property
    def notifier(self) -> Notifier:
        """Tells of what it does with jobs."""
        return self._notifier

    def connect(self) -> None:
        """Connect the board, if it is not."""
        if not self._jobboard.connected:
            self._jobboard.connect()

    def close(self) -> None:
        """Close the board."""
        self._jobboard.close()

    @abc.abstractmethod
    def run(self, max_dispatches: int | None = None) -> None:
        """Claim and run jobs until :meth:`stop`, or until so many were run."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Claim nothing more, and have what runs suspended. Returns at once."""

    @abc.abstractmethod
    def wait(self, timeout: float | None = None) -> bool:
        """Wait, so many seconds at most, until :meth:`run` has ended; tell whether it has."""

    @abc.abstractmethod
    def _dispatch_job(self, job: jobs.Job) -> Any:
        """Run a job that is claimed; return whether it is done."""

    def _flow_detail_from_job(self, job: jobs.Job) -> models.FlowDetail:
        """Return the flow detail that a job is about: that which its details name, or the only one of its book.

        :raises NotFound: there is none.
        :raises MultipleChoices: there are several, and the details name none.
        """
        book = job.book
        if book is None:
            raise exceptions.NotFound(f'no book found in {job}')
        named = job.details.get('flow_uuid')
        if named is not None:
            found = book.find(named)
            if found is None:
                raise exceptions.NotFound(
                    f'no matching flow detail found in the book {book.uuid} of {job}: it has none with uuid {named!r}')
            return found
        details = list(book)
        if not details:
            raise exceptions.NotFound(f'no flow details found in the book {book.uuid} of {job}')
        if len(details) > 1:
            raise exceptions.MultipleChoices(
                f'no matching flow detail found in the book {book.uuid} of {job}: it has {len(details)}, and'
                " details['flow_uuid'] says which")
        return details[0]

    def _engine_from_job(self, job: jobs.Job) -> running.Engine:
        """Return an engine that runs a job, or goes on with it, for as long as it is owned here.

        Its flow is made by the factory that the flow detail names; its inputs are in the flow detail's
        ``meta['store']`` and in the job's ``details['store']``, which come first.
        """
        detail = self._flow_detail_from_job(job)
        store = {**((detail.meta or {}).get('store') or {}), **(job.details.get('store') or {})}
        options = dict(self._engine_options)
        ownership = self._jobboard.ownership(job, self._name)
        if ownership is not None:
            options['ownership'] = ownership
        return engines.load_from_detail(
            detail, store=store, engine=self._engine, backend=self._persistence, **options)

    def _listeners_from_job(self, job: jobs.Job, engine: running.Engine) -> list[Any]:
        """Return the listeners that hear an engine while it runs a job; they are context managers."""
        return []
