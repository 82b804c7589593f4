# SPDX-License-Identifier: Apache-2.0
"""Posting a job: one write, to the newest page, and the next page where that is full."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from tfd import exceptions
from tfd.jobs import base
from tfd.jobs.base import JobPriority
from tfd.persistence import models
from tfd_drivers.zookeeper import membership, requests
from tfd_drivers.zookeeper.board import layout
from tfd_drivers.zookeeper.board.connection import BoardConnection
from tfd_drivers.zookeeper.board.postings import Posting
from tfd_drivers.zookeeper.requests import Budget

__all__ = ['new', 'of_job', 'post']


def new(
    name: str, book: models.LogBook | None, details: Mapping[str, Any] | None, priority: JobPriority
) -> Posting:
    """Return a new job, not posted."""
    about = None if book is None else {'name': book.name, 'uuid': book.uuid}
    return Posting(str(uuid.uuid4()), name, priority, dict(details or {}), about)


def of_job(job: base.Job) -> Posting:
    """Return a job as it was posted."""
    about = None if job.book_uuid is None else {'name': job.book_name or '', 'uuid': job.book_uuid}
    return Posting(job.uuid, job.name, job.priority, job.details, about)


def post(connection: BoardConnection, posting: Posting, data: bytes) -> str:
    """Put a job on the newest page; return its path.

    Where the answer is lost it is found out by reading whether the job is there.

    :raises SessionLost: there is no session, or it ended; the message says whether the job may be there.
    :raises Unanswered: it is not known whether the job is there.
    :raises CoordinatorUnavailable: it is not.
    """
    budget = connection.budget()
    client = connection.require().client
    while True:
        number = connection.view.open_page(budget)
        prefix = f'{connection.layout.page(number)}/job-{posting.priority.rank}-{posting.uuid.replace("-", "")}-'
        try:
            path = str(requests.ask(client.create_async(prefix, data, sequence=True), budget, f'post to {prefix}'))
        except requests.Gone:
            _look_for_pages(connection, client, number, budget)
            continue
        except requests.Unanswered:
            found = _find(client, prefix, budget)
            if found is None:
                continue
            path = found
        if int(path[-10:]) + 1 >= layout.PAGE_SIZE:
            # Whoever comes next posts there. It may exist by now.
            client.create_async(connection.layout.page(number + 1))
            connection.view.look_for_pages()
        return path


def _find(client: Any, prefix: str, budget: Budget) -> str | None:
    """Return the path of a job that was posted without an answer, None where it was not."""
    page, _, name = prefix.rpartition('/')
    while True:
        if budget.left() <= 0:
            raise requests.Unanswered(f'post to {prefix}: not answered')
        synced = client.sync_async(page)
        try:
            children = requests.ask(client.get_children_async(page), budget, f'list {page}')
            requests.ask(synced, budget, f'sync {page}')
        except requests.Gone:
            return None
        except requests.Unanswered:
            continue
        return next((f'{page}/{child}' for child in children if child.startswith(name)), None)


def _look_for_pages(connection: BoardConnection, client: Any, number: int, budget: Budget) -> None:
    """Find another page than one that is not there; make it where there is none."""
    if budget.left() <= 0:
        raise exceptions.CoordinatorUnavailable(f'there is no page {number} to post to')
    connection.view.look_for_pages()
    if connection.view.open_page(budget) == number:
        membership.ensure(client, connection.layout.page(number), budget)
