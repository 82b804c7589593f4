#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Called by tools/bench.
set -u
usage() {
    cat <<'TEXT'
usage: tools/bench logbook [--check] [--quick] [--json] [--only KIND]... [--help]

Measures how fast flows are recorded: SQLAlchemy Core alone, tfd, TaskFlow 6.5.0 and DBOS in
turn, in one run on one server of each kind (SQLite, MariaDB, PostgreSQL), with every commit on
the disk; and how long it takes to load a flow of 10,000 atoms.

  --check      exit status 1 if a bar is missed
  --quick      fewer rounds; for a first look
  --json       print every measurement as JSON instead of the tables
  --only KIND  sqlite, mariadb or postgresql alone; may be repeated

It installs what it needs under build/bench, and starts servers of its own. Takes some minutes. What
a commit takes depends on the disk: on one that takes milliseconds to sync, every library waits for
it most of the time, and comparisons say what the number of commits says.

environment:
  PYTHON  the Python to make the virtual environments with [python3]
TEXT
}
for argument; do
    case $argument in -h | --help) usage; exit ;; esac
done

cd "$(dirname "$0")/../.." || exit
. tools/environment.sh

mine=build/bench/logbook-venv
make_environment "$mine" test || exit
install_bindep "$mine" test || exit
make_other "$mine/bin/python" build/bench/logbook-taskflow-venv 'taskflow[database]==6.5.0' PyMySQL psycopg || exit
make_other "$mine/bin/python" build/bench/logbook-dbos-venv dbos || exit
PYTHONPATH=tools:. exec "$mine/bin/python" -m benchmarks.logbook --tfd "$mine/bin/python" \
    --taskflow build/bench/logbook-taskflow-venv/bin/python --dbos build/bench/logbook-dbos-venv/bin/python "$@"
