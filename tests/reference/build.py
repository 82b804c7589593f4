# SPDX-License-Identifier: Apache-2.0
"""Builds a spec with a package that has TaskFlow's API, and writes down every call it gets."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tests.reference.spec import RAISE, FlowSpec, RetrySpec, Script, Spec, TaskSpec

__all__ = ['Call', 'ScriptedFailure', 'build', 'modules_of']


class ScriptedFailure(Exception):
    """A failure that the script asked for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an atom's or decider's code: what it was given, and how it ended.

    `kind` is execute, revert, ask or decide; `given` is a history, the sources of a decider, or
    the result and the failures that a revert gets; `outcome` is a result or failure, a verdict, or
    an answer. `phantom` marks a revert of an atom that was not executed since its last revert.
    """

    kind: str
    name: str
    given: Any
    succeeded: bool
    outcome: Any
    phantom: bool = False


def modules_of(package: str) -> SimpleNamespace:
    """Import what a flow is made of, from taskflow or tfd."""
    def load(path: str) -> Any:
        return importlib.import_module(f'{package}.{path}')

    return SimpleNamespace(
        engines=load('engines'), exceptions=load('exceptions'), failure=load('types.failure'),
        retry=load('retry'), task=load('task'), graph=load('patterns.graph_flow'),
        linear=load('patterns.linear_flow'), unordered=load('patterns.unordered_flow'))


def build(
    spec: Spec, modules: SimpleNamespace, trace: list[Any], script: Script, phantoms: bool = True
) -> Any:
    """Return the spec's flow; `trace` gains a `Call` for each call made while it runs.

    Without `phantoms` every revert counts as one: for a package that reverts an atom only where it
    may have begun, perhaps in a process that died.
    """
    return _Builder(modules, trace, script, phantoms).flow(spec.flow)


class _Builder:
    def __init__(
        self, modules: SimpleNamespace, trace: list[Any], script: Script, phantoms: bool
    ) -> None:
        self.modules = modules
        self.trace = trace
        self.script = script
        self.phantoms = phantoms
        self.task_class = _task_class(modules)
        self.retry_class = _retry_class(modules)

    def flow(self, spec: FlowSpec) -> Any:
        retry = None if spec.retry is None else self.retry(spec.retry)
        flow = getattr(self.modules, spec.pattern).Flow(spec.name, retry=retry)
        children = [
            self.flow(child) if isinstance(child, FlowSpec) else self.task(child)
            for child in spec.children
        ]
        flow.add(*children)
        for link in spec.links:
            options: dict[str, Any] = {}
            if link.answers:
                options['decider'] = self.decider(spec.link_name(link))
                if link.depth is not None:
                    options['decider_depth'] = link.depth
            flow.link(children[link.source], children[link.target], **options)
        return flow

    def task(self, spec: TaskSpec) -> Any:
        return self.task_class(spec.name, self)

    def retry(self, spec: RetrySpec) -> Any:
        return self.retry_class(spec.name, self)

    def decider(self, link: str) -> Any:
        def decide(history: dict[str, Any]) -> bool:
            answer = self.script.decide(link)
            self.trace.append(Call('decide', link, dict(history), answer is not None, answer))
            if answer is None:
                raise ScriptedFailure(f'{link}?{self.script.calls["decide", link]}')
            return answer

        return decide

    def execute(self, atom: Any, given: Any) -> str:
        succeeded, outcome = self.script.execute(atom.name)
        self.trace.append(Call('execute', atom.name, given, succeeded, outcome))
        atom.executed = True
        if not succeeded:
            raise ScriptedFailure(outcome)
        return outcome

    def revert(self, atom: Any, given: Any) -> None:
        if self.phantoms and not atom.executed:
            self.trace.append(Call('revert', atom.name, given, True, '', phantom=True))
            return
        atom.executed = False
        succeeded, outcome = self.script.revert(atom.name)
        self.trace.append(Call('revert', atom.name, given, succeeded, outcome))
        if not succeeded:
            raise ScriptedFailure(outcome)

    def ask(self, atom: Any, given: Any) -> Any:
        verdict = self.script.ask(atom.name)
        if verdict == RAISE:
            failure = f'{atom.name}?{self.script.calls["ask", atom.name]}'
            self.trace.append(Call('ask', atom.name, given, False, failure))
            raise ScriptedFailure(failure)
        self.trace.append(Call('ask', atom.name, given, True, verdict))
        return getattr(self.modules.retry, verdict)

    def text(self, value: Any) -> Any:
        """Return a failure's message, or any other value as it is."""
        if isinstance(value, self.modules.failure.Failure):
            return value.exception_str
        return value

    def texts(self, failures: Any) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, self.text(failure)) for name, failure in failures.items()))

    def history(self, history: Any) -> tuple[Any, ...]:
        return tuple((self.text(result), self.texts(failures)) for result, failures in history)


def _task_class(modules: SimpleNamespace) -> Any:
    base: Any = modules.task.Task

    class ScriptedTask(base):  # type: ignore[misc]  # any package's
        def __init__(self, name: str, builder: _Builder) -> None:
            super().__init__(name)
            self.builder = builder
            self.executed = False

        def execute(self) -> str:
            return self.builder.execute(self, None)

        def revert(self, result: Any, flow_failures: Any, **kwargs: Any) -> None:
            builder = self.builder
            builder.revert(self, (builder.text(result), builder.texts(flow_failures)))

    return ScriptedTask


def _retry_class(modules: SimpleNamespace) -> Any:
    base: Any = modules.retry.Retry

    class ScriptedRetry(base):  # type: ignore[misc]  # any package's
        def __init__(self, name: str, builder: _Builder) -> None:
            super().__init__(name)
            self.builder = builder
            self.executed = False

        def execute(self, history: Any, *args: Any, **kwargs: Any) -> str:
            return self.builder.execute(self, self.builder.history(history))

        def on_failure(self, history: Any, *args: Any, **kwargs: Any) -> Any:
            return self.builder.ask(self, self.builder.history(history))

        def revert(self, history: Any, *args: Any, **kwargs: Any) -> None:
            self.builder.revert(self, self.builder.history(history))

    return ScriptedRetry
