# SPDX-License-Identifier: Apache-2.0
"""Makes a spec that shows a mistake smaller, as long as it still shows one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.reference.spec import FlowSpec, LinkSpec, RetrySpec, Spec, TaskSpec

__all__ = ['shrink']

_NEVER: frozenset[int] = frozenset()
_MOST_TRIES = 2000


def shrink(spec: Spec, fails: Callable[[Spec], bool]) -> Spec:
    """Return a spec of which ``fails`` is true and from which nothing more can be taken away, or that is small enough.

    :param fails: tells whether a spec still shows the mistake; true of the spec given.
    """
    tries = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(spec):
            tries += 1
            if tries > _MOST_TRIES:
                return spec
            if fails(candidate):
                spec, smaller = candidate, True
                break
    return spec


def _candidates(spec: Spec) -> Iterator[Spec]:
    """Yield specs with one thing less, the largest things first."""
    for child in spec.flow.children:
        if isinstance(child, FlowSpec):
            yield replace(spec, flow=child)
    for flow in _flows(spec.flow):
        yield replace(spec, flow=flow)
    yield from _options(spec)


def _options(spec: Spec) -> Iterator[Spec]:
    """Yield specs of the same flow."""
    if spec.suspends:
        yield replace(spec, suspends=_NEVER)
        for number in spec.suspends:
            yield replace(spec, suspends=spec.suspends - {number})
    for point in spec.suspends_in:
        yield replace(spec, suspends_in=spec.suspends_in - {point})
    for number in range(len(spec.store)):
        yield replace(spec, store=spec.store[:number] + spec.store[number + 1:])
    if spec.reloads:
        yield replace(spec, reloads=False)
    if spec.defer_reverts:
        yield replace(spec, defer_reverts=False)
    if spec.never_resolve:
        yield replace(spec, never_resolve=False)


def _flows(flow: FlowSpec) -> Iterator[FlowSpec]:
    for number in range(len(flow.children)):
        yield _without(flow, number)
    if flow.retry is not None:
        yield replace(flow, retry=None)
    for link in flow.links:
        yield replace(flow, links=tuple(one for one in flow.links if one is not link))
    yield from _plainer(flow)


def _plainer(flow: FlowSpec) -> Iterator[FlowSpec]:
    """Yield flows with as many things, one of them plainer."""
    for number, child in enumerate(flow.children):
        for smaller in _flows(child) if isinstance(child, FlowSpec) else _tasks(child):
            yield _with(flow, number, smaller)
    if flow.retry is not None:
        for retry in _retries(flow.retry):
            yield replace(flow, retry=retry)
    for number, link in enumerate(flow.links):
        for plainer in _links(link):
            yield replace(flow, links=(*flow.links[:number], plainer, *flow.links[number + 1:]))
    if flow.target is not None:
        yield replace(flow, target=None)
    if flow.pattern == 'graph' and not flow.links and flow.target is None:
        yield replace(flow, pattern='unordered')


def _without(flow: FlowSpec, number: int) -> FlowSpec:
    links = tuple(
        replace(link, source=link.source - (link.source > number), target=link.target - (link.target > number))
        for link in flow.links if number not in (link.source, link.target))
    target = flow.target
    if target is not None:
        target = None if target == number else target - (target > number)
    return replace(flow, children=flow.children[:number] + flow.children[number + 1:], links=links, target=target)


def _with(flow: FlowSpec, number: int, child: TaskSpec | FlowSpec) -> FlowSpec:
    return replace(flow, children=(*flow.children[:number], child, *flow.children[number + 1:]))


def _tasks(task: TaskSpec) -> Iterator[TaskSpec]:
    for name in ('execute_fails', 'revert_fails'):
        numbers = getattr(task, name)
        if numbers:
            yield replace(task, **{name: _NEVER})
        if len(numbers) > 1:
            yield replace(task, **{name: frozenset({min(numbers)})})
    for number in range(len(task.requires)):
        yield replace(task, requires=task.requires[:number] + task.requires[number + 1:])
    if task.provides:
        yield replace(task, provides='')


def _retries(retry: RetrySpec) -> Iterator[RetrySpec]:
    for name in ('execute_fails', 'revert_fails'):
        if getattr(retry, name):
            yield replace(retry, **{name: _NEVER})
    if retry.controller:
        yield replace(retry, controller='', values=(), revert_all=False)
    if len(retry.values) > 1:
        yield replace(retry, values=retry.values[1:])
    if retry.revert_all:
        yield replace(retry, revert_all=False)
    if retry.provides:
        yield replace(retry, provides='')
    for number in range(len(retry.verdicts)):
        if len(retry.verdicts) > 1:
            yield replace(retry, verdicts=retry.verdicts[:number] + retry.verdicts[number + 1:])


def _links(link: LinkSpec) -> Iterator[LinkSpec]:
    if link.answers:
        yield replace(link, answers=(), depth=None)
    if len(link.answers) > 1:
        yield replace(link, answers=link.answers[:1])
        yield replace(link, answers=link.answers[1:])
