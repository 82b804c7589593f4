# SPDX-License-Identifier: Apache-2.0
"""Real daemons on real servers, which come to grief at exactly the point that a test names.

::

    fleet = self.useFixture(Fleet('mariadb'))
    first, second = fleet.daemon('first'), fleet.daemon('second')
    job = fleet.post(points={'execute:3:effect': 'stop'})
    zombie = fleet.points.wait(job.id, 'execute:3:effect').pid
    ...
    fleet.wait(job)
    fleet.ledger.lines(job.id)

``fleet`` has the fixture; ``flows`` the flow that the daemons run; ``points`` the points of a run,
and what can happen there; ``ledger`` what the tasks write down and the world that they change;
``backend`` the driver through which the daemons reach their database, which has points too.
This package imports nothing, since the daemons import parts of it.
"""
