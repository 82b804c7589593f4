# SPDX-License-Identifier: Apache-2.0
"""Called by tools/oracle, which explains the options."""

from __future__ import annotations

import argparse
import logging
import sys

from tests.oracle import environment, follow, generator, oracle, pool, report
from tests.reference.against_taskflow import short


def main() -> int:
    """Play, compare, report."""
    options = _options()
    logging.disable(logging.CRITICAL)
    with pool.Pool(environment.python(), options.jobs) as workers:
        if options.replay is not None:
            return _replay(options.replay, workers)
        print(f'seeds {options.seed} to {options.seed + options.count - 1}', flush=True)
        seeds = range(options.seed, options.seed + options.count)
        found = oracle.run(
            ((seed, generator.spec(seed), generator.kind_of(seed)) for seed in seeds), workers, options.findings)
    print(report.as_text(found))
    return 1 if found.findings or found.flows < options.count else 0


def _replay(seed: int, workers: pool.Pool) -> int:
    """Print the spec of a seed and both traces."""
    spec, kind = generator.spec(seed), generator.kind_of(seed)
    theirs = workers.play(spec, kind)
    ours = follow.Follower(spec, kind, theirs).play()
    print(short(spec))
    for name, trace in (('TaskFlow', theirs), ('tfd', ours)):
        print(f'== {name}, {kind}')
        for entry in trace.pop('entries'):
            print('   ', *entry)
        for what, value in trace.items():
            print(what, value, sep=': ')
    verdict = oracle.judge(spec, kind, workers, workers.play(spec, kind))
    print('known differences:', ', '.join(sorted(verdict.met)) or 'none')
    print(*(verdict.wrong or ('they agree',)), sep='\n')
    return 1 if verdict.wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='tools/oracle')
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--replay', type=int)
    parser.add_argument('--findings', type=int, default=3)
    parser.add_argument('--jobs', type=int, default=2)
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
