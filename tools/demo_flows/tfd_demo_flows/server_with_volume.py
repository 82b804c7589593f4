# SPDX-License-Identifier: Apache-2.0
"""A server with a volume attached to it: made as a whole, or not at all."""

from __future__ import annotations

from typing import Any

from tfd import retry, task
from tfd.patterns import linear_flow, unordered_flow
from tfd_demo_flows import cloud_client

__all__ = ['server_with_volume']

#: Seconds that a resource may take to be there, or to be gone.
PATIENCE = 60.0


def server_with_volume() -> linear_flow.Flow:
    """Build the flow; it requires ``cloud_url``, ``name`` and ``size`` (of the volume, in GB).

    Server and volume are made side by side, then one is attached to the other. The attach is tried
    twice; where it fails for good, everything is reverted and nothing is left in the cloud.
    """
    server = linear_flow.Flow('server').add(
        CreateServer('create-server'), AwaitServer('await-server'))
    volume = linear_flow.Flow('volume').add(
        CreateVolume('create-volume'), AwaitVolume('await-volume'))
    attach = linear_flow.Flow('attach', retry=retry.Times(2, 'attach-twice', revert_all=True)).add(
        AttachVolume('attach-volume'), AwaitAttached('await-attached'))
    return linear_flow.Flow('server-with-volume').add(
        unordered_flow.Flow('parts').add(server, volume), attach)


def _key(job_id: str, role: str) -> str:
    """Return the name under which the cloud knows a job's resource, whoever asks, however often."""
    return f'{job_id}/{role}'


class _Create(task.Task):
    """Begins to make one resource; its revert removes the resource and waits until it is gone."""

    kind: str
    role: str

    def _create(self, cloud_url: str, job_id: str, **fields: Any) -> str:
        client = cloud_client.CloudClient(cloud_url)
        return client.create(self.kind, _key(job_id, self.role), **fields)

    def revert(
        self, result: Any, cloud_url: str, tfd_job_id: str, *args: Any, **kwargs: Any
    ) -> None:
        """Leave nothing behind.

        Where there is no id, the create may or may not have happened (it failed half-way, or the
        conductor died in it): the cloud is asked by the key.
        """
        client = cloud_client.CloudClient(cloud_url)
        id = result if isinstance(result, str) else client.find(
            self.kind, _key(tfd_job_id, self.role))
        if id is not None:
            client.delete(self.kind, id, PATIENCE)


class CreateServer(_Create):
    """Begins to build a server."""

    kind = 'servers'
    role = 'server'
    default_provides = 'server_id'

    def execute(self, cloud_url: str, tfd_job_id: str, name: str) -> str:
        """Return the id of the server, which is not ready yet."""
        return self._create(cloud_url, tfd_job_id, name=name)


class CreateVolume(_Create):
    """Begins to make a volume."""

    kind = 'volumes'
    role = 'volume'
    default_provides = 'volume_id'

    def execute(self, cloud_url: str, tfd_job_id: str, name: str, size: int) -> str:
        """Return the id of the volume, which is not ready yet."""
        return self._create(cloud_url, tfd_job_id, name=name, size=size)


class AttachVolume(_Create):
    """Begins to attach the volume to the server."""

    kind = 'attachments'
    role = 'attachment'
    default_provides = 'attachment_id'

    def execute(self, cloud_url: str, tfd_job_id: str, server_id: str, volume_id: str) -> str:
        """Return the id of the attachment, which is not in place yet."""
        return self._create(cloud_url, tfd_job_id, server_id=server_id, volume_id=volume_id)


class _Await(task.Task):
    """Waits for one resource, and says how far it is; there is nothing to revert."""

    kind: str
    status: str

    def _wait(self, cloud_url: str, id: str) -> None:
        client = cloud_client.CloudClient(cloud_url)
        client.wait(self.kind, id, self.status, PATIENCE, progress=self.update_progress)


class AwaitServer(_Await):
    """Waits until the server runs."""

    kind = 'servers'
    status = 'ACTIVE'

    def execute(self, cloud_url: str, server_id: str) -> None:
        """Return when the server is active."""
        self._wait(cloud_url, server_id)


class AwaitVolume(_Await):
    """Waits until the volume can be used."""

    kind = 'volumes'
    status = 'available'

    def execute(self, cloud_url: str, volume_id: str) -> None:
        """Return when the volume is available."""
        self._wait(cloud_url, volume_id)


class AwaitAttached(_Await):
    """Waits until the server sees the volume."""

    kind = 'attachments'
    status = 'attached'

    def execute(self, cloud_url: str, attachment_id: str) -> None:
        """Return when the attachment is in place."""
        self._wait(cloud_url, attachment_id)
