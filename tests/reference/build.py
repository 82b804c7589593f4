# SPDX-License-Identifier: Apache-2.0
"""Builds a spec with a package that has TaskFlow's API, and writes down every call it gets."""

from __future__ import annotations

import importlib
from collections.abc import Callable
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
    the result and the failures that a revert gets, and then the arguments if there are any;
    `outcome` is a result or failure, a verdict, or an answer. `phantom` marks a revert of an atom
    that was not executed since its last revert.
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
        self.controllers: dict[str, Any] = {}

    def flow(self, spec: FlowSpec) -> Any:
        retry = None if spec.retry is None else self.retry(spec.retry)
        module = getattr(self.modules, spec.pattern)
        flow = (module.Flow if spec.target is None else module.TargetedFlow)(spec.name, retry=retry)
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
        if spec.target is not None:
            flow.set_target(children[spec.target])
        return flow

    def task(self, spec: TaskSpec) -> Any:
        return self.task_class(spec, self)

    def retry(self, spec: RetrySpec) -> Any:
        if not spec.controller:
            return self.retry_class(spec.name, self)
        if spec.controller not in self.controllers:
            base = getattr(self.modules.retry, spec.controller)
            self.controllers[spec.controller] = (
                _parameterized_class if spec.controller == 'ParameterizedForEach' else _controller_class)(base)
        options: dict[str, Any] = {'name': spec.name, 'provides': spec.provides or None}
        if spec.controller == 'Times':
            options['attempts'] = len(spec.values)
        elif spec.controller == 'ForEach':
            options['values'] = list(spec.values)
        if spec.revert_all:
            options['revert_all'] = True
        retry = self.controllers[spec.controller](**options)
        retry.builder = self
        return retry

    def decider(self, link: str) -> Any:
        def decide(history: dict[str, Any]) -> bool:
            answer = self.script.decide(link)
            self.trace.append(Call('decide', link, dict(history), answer is not None, answer))
            if answer is None:
                raise ScriptedFailure(f'{link}?{self.script.calls["decide", link]}')
            return answer

        return decide

    def execute(self, atom: Any, given: Any, result: Callable[[], Any] | None = None) -> Any:
        succeeded, outcome = self.script.execute(atom.name)
        if succeeded and result is not None:
            outcome = result()
        self.trace.append(Call('execute', atom.name, given, succeeded, outcome))
        self.script.executed.add(atom.name)
        if not succeeded:
            raise ScriptedFailure(outcome)
        return outcome

    def revert(self, atom: Any, given: Any) -> None:
        if self.phantoms and atom.name not in self.script.executed:
            self.trace.append(Call('revert', atom.name, given, True, '', phantom=True))
            return
        self.script.executed.discard(atom.name)
        succeeded, outcome = self.script.revert(atom.name)
        self.trace.append(Call('revert', atom.name, given, succeeded, outcome))
        if not succeeded:
            raise ScriptedFailure(outcome)

    def ask(self, atom: Any, given: Any, answer: Callable[[], Any] | None = None) -> Any:
        if answer is not None:
            decision = answer()
            self.trace.append(Call('ask', atom.name, given, True, decision.name))
            return decision
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

    def arguments(self, arguments: Any) -> tuple[tuple[str, Any], ...]:
        return tuple(sorted((name, self.text(value)) for name, value in arguments.items()))

    def texts(self, failures: Any) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, self.text(failure)) for name, failure in failures.items()))

    def history(self, history: Any) -> tuple[Any, ...]:
        return tuple((self.text(result), self.texts(failures)) for result, failures in history)


def _task_class(modules: SimpleNamespace) -> Any:
    base: Any = modules.task.Task

    class ScriptedTask(base):  # type: ignore[misc]  # any package's
        def __init__(self, spec: TaskSpec, builder: _Builder) -> None:
            super().__init__(spec.name, provides=spec.provides or None, requires=spec.requires)
            self.builder = builder

        def execute(self, **arguments: Any) -> str:
            return str(self.builder.execute(self, self.builder.arguments(arguments) or None))

        def revert(self, result: Any, flow_failures: Any, **arguments: Any) -> None:
            builder = self.builder
            given = (builder.text(result), builder.texts(flow_failures))
            builder.revert(self, (*given, builder.arguments(arguments)) if arguments else given)

    return ScriptedTask


def _retry_class(modules: SimpleNamespace) -> Any:
    base: Any = modules.retry.Retry

    class ScriptedRetry(base):  # type: ignore[misc]  # any package's
        def __init__(self, name: str, builder: _Builder) -> None:
            super().__init__(name)
            self.builder = builder

        def execute(self, history: Any, *args: Any, **kwargs: Any) -> str:
            return str(self.builder.execute(self, self.builder.history(history)))

        def on_failure(self, history: Any, *args: Any, **kwargs: Any) -> Any:
            return self.builder.ask(self, self.builder.history(history))

        def revert(self, history: Any, *args: Any, **kwargs: Any) -> None:
            self.builder.revert(self, self.builder.history(history))

    return ScriptedRetry


def _controller_class(base: Any) -> Any:
    """Return a class that answers as the package's own retry does."""
    class Controller(base):  # type: ignore[misc]  # any package's
        def execute(self, history: Any, **kwargs: Any) -> Any:
            given = self.builder.history(history)
            return self.builder.execute(self, given, lambda: base.execute(self, history=history, **kwargs))

        def on_failure(self, history: Any, **kwargs: Any) -> Any:
            given = self.builder.history(history)
            return self.builder.ask(self, given, lambda: base.on_failure(self, history=history, **kwargs))

        def revert(self, history: Any, **kwargs: Any) -> None:
            self.builder.revert(self, self.builder.history(history))

    return Controller


def _parameterized_class(base: Any) -> Any:
    """Return one whose values are an argument, as the signatures of its methods tell."""
    class Controller(base):  # type: ignore[misc]  # any package's
        def execute(self, values: Any, history: Any, **kwargs: Any) -> Any:
            given = self.builder.history(history)
            arguments = {'values': values, 'history': history, **kwargs}
            return self.builder.execute(self, given, lambda: base.execute(self, **arguments))

        def on_failure(self, values: Any, history: Any, **kwargs: Any) -> Any:
            given = self.builder.history(history)
            arguments = {'values': values, 'history': history, **kwargs}
            return self.builder.ask(self, given, lambda: base.on_failure(self, **arguments))

        def revert(self, history: Any, **kwargs: Any) -> None:
            self.builder.revert(self, self.builder.history(history))

    return Controller
