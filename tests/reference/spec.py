# SPDX-License-Identifier: Apache-2.0
"""A flow as plain data: what it is made of, and what each of its calls will do.

A `Spec` says everything that decides how a flow runs: its patterns, retries, links and deciders,
and the script of outcomes. The same spec is interpreted by `tests.reference.interpreter`, built
with any package that has TaskFlow's API (`tests.reference.build`), and made up at random
(`tests.reference.generator`).

Outcomes are scripted by call number: the nth call of `execute` of one atom during the life of
one `Script`, however often the flow was retried, reverted or resumed in between. Every number
counts from 1. A result is the text ``name=n`` and a failure the text ``name#n`` (``name~n`` where
`revert` failed), so that an observer can tell whose result he sees, and from which call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = [
    'ATOM', 'DEPTHS', 'FlowSpec', 'LinkSpec', 'RAISE', 'RETRY', 'REVERT', 'REVERT_ALL',
    'RetrySpec', 'Script', 'Spec', 'TaskSpec',
]

RETRY = 'RETRY'
REVERT = 'REVERT'
REVERT_ALL = 'REVERT_ALL'
RAISE = 'RAISE'

ATOM = 'ATOM'
#: From the widest to the narrowest.
DEPTHS = ('ALL', 'FLOW', 'NEIGHBORS', ATOM)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task; the numbers of the calls that raise.

    `provides` is the name that its result gets, `requires` are those of its arguments; the
    interpreter knows nothing of either, nor of the order that they bring about in a graph.
    """

    name: str
    execute_fails: frozenset[int] = frozenset()
    revert_fails: frozenset[int] = frozenset()
    provides: str = ''
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetrySpec:
    """A retry; its nth answer is verdicts[n - 1], or the last one when they have run out.

    With a `controller`, the name of a class of the package's retry module, it is that which
    answers: `values` are the numbers that it hands out, as many as it makes attempts, under the
    name `provides`. The interpreter knows nothing of it.
    """

    name: str
    verdicts: tuple[str, ...] = (REVERT,)
    execute_fails: frozenset[int] = frozenset()
    revert_fails: frozenset[int] = frozenset()
    controller: str = ''
    values: tuple[int, ...] = ()
    revert_all: bool = False
    provides: str = ''


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link between two children, by index; without answers it has no decider.

    The nth answer of the decider is answers[n - 1], or the last one when they have run out; None
    stands for a decider that raises. `depth` None is the default depth (ALL).
    """

    source: int
    target: int
    answers: tuple[bool | None, ...] = ()
    depth: str | None = None


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """A flow; `pattern` is linear, unordered or graph, and only a graph has links.

    A graph with a `target`, the index of a child, runs only that and what comes before it; the
    interpreter knows nothing of targets.
    """

    name: str
    pattern: str
    children: tuple[TaskSpec | FlowSpec, ...] = ()
    retry: RetrySpec | None = None
    links: tuple[LinkSpec, ...] = ()
    target: int | None = None

    def link_name(self, link: LinkSpec) -> str:
        """Return the name by which the link's decider is known in traces."""
        return f'{self.children[link.source].name}->{self.children[link.target].name}'


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole run: the outermost flow, the options of the engine, when it is suspended.

    `suspends` holds the numbers of the waves during which a suspend is asked for; `suspends_in`
    the calls that ask for one, as (execute or revert, atom, number of the call). After a suspend
    an engine that is loaded from the logbook goes on if `reloads`. `store` are inputs of the flow.
    Of the last three the interpreter knows nothing.
    """

    flow: FlowSpec
    defer_reverts: bool = False
    never_resolve: bool = False
    suspends: frozenset[int] = frozenset()
    suspends_in: frozenset[tuple[str, str, int]] = frozenset()
    reloads: bool = False
    store: tuple[str, ...] = ()


@dataclass(slots=True)
class Script:
    """Plays the outcomes of one spec, counting calls; one per life of a flow."""

    spec: Spec
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Atoms that were executed since they were last reverted.
    executed: set[str] = field(default_factory=set)
    _atoms: dict[str, TaskSpec | RetrySpec] = field(default_factory=dict)
    _answers: dict[str, tuple[bool | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        open_flows = [self.spec.flow]
        while open_flows:
            flow = open_flows.pop()
            if flow.retry is not None:
                self._atoms[flow.retry.name] = flow.retry
            for child in flow.children:
                if isinstance(child, FlowSpec):
                    open_flows.append(child)
                else:
                    self._atoms[child.name] = child
            for link in flow.links:
                self._answers[flow.link_name(link)] = link.answers

    def execute(self, name: str) -> tuple[bool, str]:
        """Count a call of `execute`; return whether it succeeds, and its result or failure."""
        number = self._count('execute', name)
        if number in self._atoms[name].execute_fails:
            return False, f'{name}#{number}'
        return True, f'{name}={number}'

    def revert(self, name: str) -> tuple[bool, str]:
        """Count a call of `revert`; return whether it succeeds, and its failure if not."""
        number = self._count('revert', name)
        failed = number in self._atoms[name].revert_fails
        return not failed, f'{name}~{number}' if failed else ''

    def ask(self, name: str) -> str:
        """Count a call of `on_failure` of a retry; return its verdict."""
        retry = self._atoms[name]
        assert isinstance(retry, RetrySpec)
        number = self._count('ask', name)
        return retry.verdicts[min(number, len(retry.verdicts)) - 1]

    def decide(self, link: str) -> bool | None:
        """Count a call of a link's decider; return its answer, None where it raises."""
        number = self._count('decide', link)
        answers = self._answers[link]
        return answers[min(number, len(answers)) - 1]

    def _count(self, kind: str, name: str) -> int:
        self.calls[kind, name] += 1
        return self.calls[kind, name]
