# SPDX-License-Identifier: Apache-2.0
"""The rules by which a flow runs, as a machine that is slow and obvious.

The machine knows what each atom is and what happened to it. What may happen next is worked out
from that alone, from the beginning, each time it is asked; nothing is kept up to date on the side.

States
    1.  An atom is PENDING, RUNNING, SUCCESS, FAILURE, REVERTING, REVERTED, REVERT_FAILURE or
        IGNORE. It is *at rest* when PENDING, REVERTED or IGNORE.
    2.  "Before" and "after" mean anywhere before or after, not only next to. In a linear flow every
        atom of one child is before every atom of the following children; in a graph so it is along
        links; a flow's retry is before all the flow's atoms. Nothing else orders atoms.
    3.  The *scope* of a retry is the retry and all atoms of its flow, nested flows included. An
        atom belongs to the scopes of all flows around it; a retry belongs to its own scope too.

Forward
    4.  An atom is ready when it is PENDING, not to be reverted (rule 21), and all atoms before it
        are SUCCESS or IGNORE.
    5.  A ready atom with deciders to ask (rule 10) is executed once all of them have said yes. Any
        other ready atom is executed at once. A retry is executed as a task is, with its history.
    6.  All that is ready starts together, and what was started ends: a failure elsewhere neither
        stops nor withdraws it. Nothing starts while a question (rule 14) is open or a decider has
        yet to answer, and no decider is asked while a question is open.
    7.  An execute that returns makes the atom SUCCESS; a retry's history gains (result, {}). One
        that raises makes it FAILURE, its failure is recorded, and rule 14 applies.

Deciders
    8.  A decider on a link is asked for each atom with which the link's target begins: a task; of
        a flow its retry, or else what its first children begin with.
    9.  It is asked when its target atom is ready, with a history {source: result}: the results of
        the sources of all deciders asked for that atom. A link that starts at a flow adds nothing.
    10. All deciders of an atom are asked together, whatever the first ones say. Not asked is only
        one whose source is a task that is IGNORE.
    11. When all have answered and some have said no, the widest depth among those decides which
        PENDING atoms become IGNORE, the target always: ALL, all atoms after it; FLOW, those of its
        own flow that are reached from it from atom to next atom, not through a nested flow;
        NEIGHBORS, of these only the next ones; ATOM, none. A retry is next to those first children
        of its flow that are tasks.
    12. An answer holds until its target atom is reset (rule 26); what it made IGNORE and no other
        answer that holds reaches is PENDING then, outside of the scope too. An answer that comes
        when the target is no longer ready is forgotten.
    13. A decider that raises is a failure of its target atom, recorded as that, which rule 14
        brings before a retry. The atom stays PENDING, and there is nothing of it to revert.

Failures and verdicts
    14. A failure of an atom opens a question to the nearest retry: of the innermost scope the atom
        belongs to, but for a retry's own failure its own scope is not counted, nor is a scope whose
        retry is IGNORE. Each failure opens one, even of atoms that are already to be reverted.
    15. Questions are asked one by one, in the order in which the atoms ended. The retry's newest
        history entry first gains {atom: failure}, unless it has one of that name already (rule 18);
        the retry is then asked with its history.
    16. The answer RETRY gives the scope the verdict RETRY.
    17. REVERT_ALL gives the whole flow the verdict REVERT.
    18. REVERT brings the same failure, under the name of the retry that said REVERT, before the
        next retry around it (found as in rule 14), at once. Where there is none, the verdict REVERT
        is given to the scope that was asked first, the innermost; or, with defer_reverts, to the
        whole flow.
    19. A failure that no retry is there to be asked about gives the whole flow the verdict REVERT.
    20. An on_failure that raises, or answers anything else, is a failure of the retry, recorded as
        that, which rule 14 brings before the next retry around it, at once. Where it has failed in
        this way before, that has been decided about, and nothing more comes of it.
    21. An atom's intention follows from the verdicts. If the whole flow has one: REVERT. Otherwise
        the outermost of its scopes that has one decides: for a verdict REVERT it is REVERT, for a
        verdict RETRY it is RETRY where the atom is the retry of that scope, and REVERT for the
        others. Where none has one: EXECUTE.
    22. In one scope REVERT is not changed by RETRY, but RETRY by REVERT. Verdicts go away by rule
        26 only.
    23. With never_resolve no question is opened: the atom stays FAILURE and nothing more starts.

Back
    24. An atom with the intention REVERT is reverted when it is SUCCESS or FAILURE and all atoms
        after it are at rest. Those that never ran are left as they are. A task's revert is given
        the task's result or failure, and all recorded failures; a retry's is given its history.
    25. A revert that returns makes the atom REVERTED. One that raises makes it REVERT_FAILURE: no
        retry is asked about that, and nothing more starts, in other scopes neither.
    26. A retry with the intention RETRY is executed again when all atoms after it are at rest. As
        it starts, its scope is reset: its other atoms become PENDING, their failures, results,
        answers and, for retries, histories are forgotten, and so are the verdicts of this scope
        and of those in it. The retry keeps its own history.
    27. Scopes that do not contain one another do not disturb one another: one is retried or
        reverted while the other goes on, to its end.

Ends
    28. A suspend lets what runs end and its questions be asked; nothing else starts, and no decider
        is asked. If there is nothing else, the flow ends as usual; otherwise it is SUSPENDED, and
        resuming takes up where it was. No question and no decider is asked again. What was about
        to start and is withdrawn is as it was before; but a scope that was reset (rule 26) stays
        so, and its retry is RETRYING: it is executed, or reverted, as if it were PENDING, or SUCCESS.
    29. The flow ends when nothing runs and nothing may start. It is FAILURE if an atom is
        REVERT_FAILURE, or if with never_resolve a failure is recorded; otherwise REVERTED if an atom
        is REVERTED or a failure is recorded; otherwise SUCCESS.
    30. It raises the failures of all reverts that failed, or if none did, all recorded failures.
        A failure is recorded until its atom is reset; so one that a retry overcame is not raised.
    31. Resuming after a crash: what was RUNNING is executed again, what was REVERTING is reverted
        again, and a question or decider whose answer was not recorded is asked again. An atom that
        was RUNNING and is now to be reverted is reverted, without a result. Open questions are then
        asked in the order of the flow; one that some retry has answered with REVERT goes first.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from tests.reference.shape import Decider, Shape
from tests.reference.spec import RAISE, RETRY, REVERT, REVERT_ALL, Spec

__all__ = ['Command', 'Interpreter', 'Question', 'Quirks']

AT_REST = ('PENDING', 'REVERTED', 'IGNORE')
DONE = ('SUCCESS', 'IGNORE')
RUNS = ('RUNNING', 'REVERTING')

History = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Command:
    """Something to begin: execute, revert, ask (a retry) or decide (ask all deciders of an atom).

    `about` names, of an ask, the atom that failed.
    """

    kind: str
    name: str
    about: str = ''


@dataclass(frozen=True, slots=True)
class Question:
    """A failure that is before a retry; `first` is the retry that was asked about it first."""

    retry: str
    about: str
    failure: str
    first: str


@dataclass(frozen=True, slots=True)
class Quirks:
    """What TaskFlow does otherwise; all off in tfd.

    reset_after: a retry resets atoms after its scope as well, so that what was IGNORE there runs.
    """

    reset_after: bool = False


@dataclass(slots=True)
class Interpreter:
    """One run of a spec. Ask for `commands`, `begin` one, `end` it with its outcome, repeat."""

    spec: Spec
    quirks: Quirks = Quirks()
    shape: Shape = field(init=False)
    state: dict[str, str] = field(init=False)
    results: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    revert_failures: dict[str, str] = field(default_factory=dict)
    histories: dict[str, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    escalated: Question | None = None
    waiting: set[Command] = field(default_factory=set)
    verdicts: dict[str, str] = field(default_factory=dict)
    whole_flow: bool = False
    decided: set[str] = field(default_factory=set)
    ignored: dict[str, set[str]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    suspended: bool = False

    def __post_init__(self) -> None:
        self.shape = Shape(self.spec.flow)
        self.state = dict.fromkeys(self.shape.atoms, 'PENDING')
        self.histories = {retry: [] for retry in self.shape.members}

    def fork(self) -> Interpreter:
        """Return a machine that stands where this one stands now."""
        other = copy.copy(self)
        for name in ('state', 'results', 'failures', 'revert_failures', 'questions', 'waiting', 'verdicts', 'decided',
                     'lost'):
            setattr(other, name, copy.copy(getattr(self, name)))
        other.histories = copy.deepcopy(self.histories)
        other.ignored = copy.deepcopy(self.ignored)
        return other

    # What may happen next.

    def commands(self) -> list[Command]:
        """Return every call that is to begin now."""
        if any(call.kind == 'ask' for call in self.waiting):
            return []
        question = self._oldest_question()
        if question is not None:
            return [Command('ask', question.retry, question.about)]
        return [] if self.suspended else self._starts()

    def _starts(self) -> list[Command]:
        if self.revert_failures or (self.spec.never_resolve and self.failures):
            return []
        ready = [atom for atom in self.shape.atoms if self._ready(atom)]
        decides = [
            Command('decide', atom)
            for atom in ready
            if atom not in self.decided and self.asked(atom)
        ]
        if decides or self.waiting:
            return [command for command in decides if command not in self.waiting]
        retries = [atom for atom in self.shape.atoms if self._retries(atom)]
        reverts = [atom for atom in self.shape.atoms if self._reverts(atom)]
        return [
            *(Command('execute', atom) for atom in ready + retries),
            *(Command('revert', atom) for atom in reverts),
        ]

    def _ready(self, atom: str) -> bool:
        """Rule 4."""
        return (
            (self.state[atom] in ('PENDING', 'RETRYING') or self._is_lost(atom, 'RUNNING'))
            and self.intention(atom) == 'EXECUTE'
            and all(self.state[other] in DONE for other in self.shape.before[atom])
        )

    def _retries(self, atom: str) -> bool:
        """Rule 26."""
        return (
            self.state[atom] == 'SUCCESS'
            and self.intention(atom) == RETRY
            and all(self.state[other] in AT_REST for other in self.shape.after[atom])
        )

    def _reverts(self, atom: str) -> bool:
        """Rule 24."""
        return (
            (self.state[atom] in ('SUCCESS', 'FAILURE', 'RETRYING') or self._is_lost(atom, *RUNS))
            and self.intention(atom) == REVERT
            and all(self.state[other] in AT_REST for other in self.shape.after[atom])
        )

    def _is_lost(self, atom: str, *states: str) -> bool:
        """Rule 31: whether a call of the atom was under way when the process died."""
        return atom in self.lost and self.state[atom] in states

    def asked(self, atom: str) -> list[Decider]:
        """Return the deciders that are asked before the atom is executed (rule 10)."""
        return [
            decider
            for decider in self.shape.deciders[atom]
            if decider.source is None or self.state[decider.source] != 'IGNORE'
        ]

    def intention(self, atom: str) -> str:
        """Return EXECUTE, REVERT or RETRY, by rule 21."""
        if self.whole_flow:
            return REVERT
        for scope in self.shape.scopes[atom]:
            verdict = self.verdicts.get(scope)
            if verdict is not None:
                return RETRY if (verdict, scope) == (RETRY, atom) else REVERT
        return 'EXECUTE'

    # What a call is given.

    def history(self, retry: str) -> History:
        """Return what a retry's execute, on_failure or revert is given now."""
        return tuple(
            (result, tuple(sorted(failures.items()))) for result, failures in self.histories[retry])

    def asked_history(self, command: Command) -> History:
        """Return what a retry's on_failure is given (rule 15)."""
        entries = self.histories[command.name]
        result, failures = entries[-1]
        failures = {command.about: self._question(command).failure, **failures}
        return (*self.history(command.name)[:-1], (result, tuple(sorted(failures.items()))))

    def decider_history(self, atom: str) -> dict[str, str]:
        """Return what the deciders of an atom are given (rule 9)."""
        sources = [decider.source for decider in self.asked(atom)]
        return {source: self.results[source] for source in sources if source is not None}

    # What happened.

    def begin(self, command: Command) -> None:
        """A call was started."""
        atom = command.name
        self.lost.discard(atom)
        if command.kind in ('ask', 'decide'):
            self.waiting.add(command)
        elif command.kind == 'revert':
            self.state[atom] = 'REVERTING'
        else:
            if self.state[atom] == 'SUCCESS':
                self._reset(atom)
            self.state[atom] = 'RUNNING'

    def end_execute(self, atom: str, succeeded: bool, outcome: str) -> None:
        """An execute ended, with a result or a failure (rule 7)."""
        if not succeeded:
            self.state[atom] = 'FAILURE'
            self._fail(atom, outcome)
            return
        self.state[atom] = 'SUCCESS'
        self.results[atom] = outcome
        if atom in self.histories:
            self.histories[atom].append((outcome, {}))

    def end_revert(self, atom: str, succeeded: bool, outcome: str) -> None:
        """A revert ended (rule 25)."""
        if succeeded:
            self.state[atom] = 'REVERTED'
        else:
            self.state[atom] = 'REVERT_FAILURE'
            self.revert_failures[atom] = outcome

    def end_ask(self, command: Command, verdict: str, outcome: str = '') -> None:
        """A retry gave its verdict, or raised `outcome` (rules 15 to 20)."""
        question = self._question(command)
        self.waiting.discard(command)
        if self.escalated is None:
            self.questions.remove(question)
        self.escalated = None
        retry = question.retry
        self.histories[retry][-1][1].setdefault(question.about, question.failure)
        if verdict == RETRY:
            self.verdicts.setdefault(retry, RETRY)
        elif verdict == REVERT_ALL:
            self.whole_flow = True
        elif verdict == REVERT:
            self._pass_on(question)
        elif self.state[retry] != 'FAILURE':
            self.state[retry] = 'FAILURE'
            self._fail(retry, outcome, at_once=True)

    def end_decide(self, atom: str, depth: str, outcome: str = '') -> None:
        """The deciders of an atom answered (rules 11 to 13).

        `depth` is '' if all said yes, or else the widest depth among those that said no; RAISE if
        one raised `outcome`.
        """
        self.waiting.discard(Command('decide', atom))
        if not self._ready(atom):
            return
        if depth == RAISE:
            self._fail(atom, outcome)
            return
        self.decided.add(atom)
        if depth:
            self._ignore(atom, depth)

    def suspend(self) -> None:
        """A suspend was asked for (rule 28)."""
        self.suspended = True

    def resume(self) -> None:
        """Go on after a suspend."""
        self.suspended = False

    def withdraw(self, command: Command, before: str) -> None:
        """A call that was begun when its atom was `before` is not made after all (rule 28)."""
        atom = command.name
        if before in RUNS:
            self.lost.add(atom)
        retried = command.kind == 'execute' and before == 'SUCCESS'
        self.state[atom] = 'RETRYING' if retried else before

    def crash(self, order: list[str]) -> None:
        """The process died, and its successor goes on from what is recorded (rule 31)."""
        self.lost = {atom for atom, state in self.state.items() if state in RUNS}
        self.waiting = set()
        self.suspended = False
        if self.escalated is not None:
            self.questions.append(self.escalated)
            self.escalated = None
        # A retry that itself failed was asked nothing: its question has come no further than others.
        self.questions.sort(key=lambda one: (one.first == one.retry, order.index(one.about)))

    # How it ends.

    def flow_state(self) -> str:
        """Return the state of the flow, by rules 28 and 29."""
        states = set(self.state.values())
        runs = any(state in RUNS and atom not in self.lost for atom, state in self.state.items())
        if runs or self.waiting or self._oldest_question() is not None:
            return 'RUNNING'
        if self._starts():
            return 'SUSPENDED' if self.suspended else 'RUNNING'
        if self.revert_failures or (self.spec.never_resolve and self.failures):
            return 'FAILURE'
        return 'REVERTED' if 'REVERTED' in states or self.failures else 'SUCCESS'

    def raised(self) -> set[str]:
        """Return the failures that a run which has ended raises, by rule 30."""
        return set((self.revert_failures or self.failures).values())

    # How a failure becomes a verdict, and what a verdict undoes.

    def _oldest_question(self) -> Question | None:
        """Rules 15 and 18: which question is before a retry now."""
        if self.escalated is not None:
            return self.escalated
        return self.questions[0] if self.questions else None

    def _question(self, command: Command) -> Question:
        question = self._oldest_question()
        if question is None or (question.retry, question.about) != (command.name, command.about):
            raise LookupError(f'{command} is not the open question {question}')
        return question

    def _nearest_retry(self, atom: str) -> str | None:
        """Rule 14: whom a failure of this atom is brought before."""
        for scope in reversed(self.shape.scopes[atom]):
            if scope != atom and self.state[scope] != 'IGNORE':
                return scope
        return None

    def _fail(self, atom: str, failure: str, at_once: bool = False) -> None:
        self.failures[atom] = failure
        if self.spec.never_resolve:
            return
        retry = self._nearest_retry(atom)
        if retry is None:
            self.whole_flow = True
        elif at_once:
            self.escalated = Question(retry, atom, failure, retry)
        else:
            self.questions.append(Question(retry, atom, failure, retry))

    def _pass_on(self, question: Question) -> None:
        """Rule 18."""
        parent = self._nearest_retry(question.retry)
        if parent is not None:
            self.escalated = Question(parent, question.retry, question.failure, question.first)
        elif self.spec.defer_reverts:
            self.whole_flow = True
        else:
            self.verdicts[question.first] = REVERT

    def _ignore(self, atom: str, depth: str) -> None:
        """Rule 12."""
        others = {
            'ALL': self.shape.after[atom],
            'FLOW': self.shape.reachable(atom),
            'NEIGHBORS': self.shape.near[atom],
            'ATOM': set(),
        }[depth]
        self.ignored[atom] = {atom} | others
        for other in {atom} | others:
            if self.state[other] == 'PENDING':
                self.state[other] = 'IGNORE'

    def _reset(self, retry: str) -> None:
        """Rule 26."""
        scope = self.shape.members[retry]
        for atom in scope:
            self.verdicts.pop(atom, None)
        if self.quirks.reset_after:
            scope = scope | self.shape.after[retry]
        for atom in scope - {retry}:
            self.state[atom] = 'PENDING'
            self.failures.pop(atom, None)
            self.results.pop(atom, None)
            self.decided.discard(atom)
            if atom in self.histories:
                self.histories[atom] = []
        self._free(scope)

    def _free(self, targets: set[str]) -> None:
        """Rule 12: forget the answers on these atoms."""
        freed: set[str] = set()
        for target in targets & set(self.ignored):
            freed |= self.ignored.pop(target)
        held = {atom for atoms in self.ignored.values() for atom in atoms}
        for atom in freed - held:
            if self.state[atom] == 'IGNORE':
                self.state[atom] = 'PENDING'
