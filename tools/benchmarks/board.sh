#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Called by tools/bench.
set -u
usage() {
    cat <<'TEXT'
usage: tools/bench board [--check] [--quick] [--no-sync] [--json] [--help]

Measures what a job costs on a board of nodes, through TaskFlow's API: post, claim and consume,
one job at a time, on boards of 1,000, 10,000 and 100,000 waiting jobs; beside three raw writes
of kazoo's one after the other, and beside TaskFlow 6.5.0 on a board of 3,000. All take turns on
one ZooKeeper of their own.

  --check    exit status 1 if a bar is missed
  --quick    fewer rounds, and 10,000 jobs in the place of 100,000; for a first look
  --no-sync  ZooKeeper does not wait for the disk: what clients cost shows more
  --json     print every measurement as JSON instead of the tables

It installs what it needs under build/bench. Takes some minutes.

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
install_bindep "$mine" zookeeper || exit
other=build/bench/board-taskflow-venv
make_other "$mine/bin/python" "$other" taskflow==6.5.0 kazoo || exit
PYTHONPATH=tools:. exec "$mine/bin/python" -m benchmarks.board --tfd "$mine/bin/python" \
    --taskflow "$other/bin/python" "$@"
