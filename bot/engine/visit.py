"""One look at one step: observe, judge, perhaps act, and write down what was seen."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from bot.act import Act, acting
from bot.action import Action, Kinds
from bot.canon import NotCanonical, canonical
from bot.engine.judge import Attempts, Next, after, after_standing
from bot.engine.lease import Lease
from bot.engine.moves import State
from bot.errors import LeaseLost, OutsideError, SignalboxError, Throttled
from bot.plan import Ask, Plan, Step
from bot.ports import Ports
from bot.scrub import scrubbed
from bot.store.tables import Decision, Duration, Run, StepRow
from bot.trail.append import Record, Trail
from bot.trail.event import Event, Name
from bot.verdict import Verdict, failed, unknown

log = structlog.get_logger()
_THROTTLED_SECONDS = 2.0
"""Of the calendar: how long a throttled call waits at least before it is made again."""


@dataclass(frozen=True)
class Visitor:
    """Visits steps on behalf of one replica."""

    ports: Ports
    kinds: Kinds
    trail: Trail
    lease: Lease

    def visit(self, run: Run, plan: Plan, step: Step) -> float:
        """Look once, and return when to look again (epoch seconds of the calendar; 0 = at once).

        Raises TrailError when nothing could be recorded (and nothing was done), LeaseLost when another
        replica owns the run.
        """
        row = self._begin(run, step)
        if row.state != State.ACTIVE:
            return 0
        if row.instead and step.instead is not None:
            step = step.model_copy(update={"do": step.instead.do, "args": step.instead.args, "instead": None})
        action = self.kinds.get(step.do)
        if action is None:
            self._hold(run, plan, step, failed(f"this version of Signalbox does not know {step.do}"), "")
            return 0
        with acting(Act(run.person, run.id, step.id, run.epoch, row.retry)):
            verdict = self._look(action, step)
            now = self.ports.clock.now()
            history = Attempts(row.since, row.attempts, row.applied_at)
            if step.standing:
                then, why = after_standing(verdict, action, history, now), ""
            else:
                then, why = after(verdict, action, history, now)
            if then == Next.DONE:
                self._end(run, step, State.DONE, Name.STEP_DONE, verdict)
                return 0
            if step.ask is not None:
                self._hold(run, plan, step, verdict, verdict.why)
                return 0
            if then == Next.ASK and step.on_fail == "hold" and not row.asked:
                self._ask(run, plan, step, verdict)
            if then == Next.GIVE_UP:
                self._give_up(run, plan, step, verdict, why)
                return 0
            if then == Next.ACT:
                return self._act(run, step, action, verdict)
            self._note(run, step, row, verdict)
            return now + action.poll

    def _look(self, action: Action, step: Step) -> Verdict:
        try:
            return action.judge(step.args, action.observe(self.ports, step.args))
        except OutsideError as error:
            return unknown(str(error))
        except SignalboxError:
            raise
        except Exception as error:
            return unknown(f"Signalbox itself failed while looking (error {_report(error, step)})")

    def _begin(self, run: Run, step: Step) -> StepRow:
        with self.trail.database.read() as session:
            row = session.get_one(StepRow, (run.id, step.id))
        if row.state != State.PENDING:
            return row
        with self.trail.record() as record:
            self.lease.check(record.session, run.id)
            now = self.ports.clock.now()
            row = record.session.get_one(StepRow, (run.id, step.id))
            row.state, row.since, row.started_at = State.ACTIVE, now, now
            record.session.add(row)
            record.add(self._event(Name.STEP_STARTED, run, step, do=step.do))
        return row

    def _act(self, run: Run, step: Step, action: Action, verdict: Verdict) -> float:
        """Act once; when to look at what came of it."""
        assert action.apply is not None
        with self.trail.record() as record:
            current = self.lease.check(record.session, run.id, margin=self.lease.call_seconds, acting=True)
            row = _active(record, run, step)
            row.attempts, row.applied_at = row.attempts + 1, self.ports.clock.now()
            row.why = verdict.why
            record.session.add(row)
            record.add(self._event(Name.STEP_ACTING, run, step, attempt=row.attempts, why=verdict.why[:500]))
            if step.commits and not current.committed:
                current.committed = True
                record.session.add(current)
                record.add(self._event(Name.RUN_COMMITTED, run, step))
        try:
            action.apply(self.ports, step.args)
        except Throttled as error:
            self._note(run, step, row, unknown(str(error)), force=True, uncounted=True)
            return self.ports.clock.now() + max(_THROTTLED_SECONDS, action.poll)
        except OutsideError as error:
            # The next look tells what the world made of it; the reason is kept for people.
            log.warning("step.call_failed", run=run.id, step=step.id, error=str(error))
            self._note(run, step, row, unknown(str(error)), force=True)
        except SignalboxError:
            raise
        except Exception as error:
            self._note(
                run,
                step,
                row,
                unknown(f"Signalbox itself failed while acting (error {_report(error, step)})"),
                force=True,
            )
        return self.ports.clock.now() + min(1, action.poll)

    def _note(
        self,
        run: Run,
        step: Step,
        row: StepRow,
        verdict: Verdict,
        *,
        force: bool = False,
        uncounted: bool = False,
    ) -> None:
        if verdict.why == row.why and not force:
            return
        with self.trail.record() as record:
            self.lease.check(record.session, run.id)
            fresh = _active(record, run, step)
            fresh.why, fresh.verdict = verdict.why, verdict.kind
            fresh.attempts -= uncounted
            record.session.add(fresh)
            record.add(
                self._event(Name.STEP_SEEN, run, step, verdict=str(verdict.kind), why=verdict.why[:500])
            )

    def _end(self, run: Run, step: Step, state: State, name: Name, verdict: Verdict) -> None:
        with self.trail.record() as record:
            self.lease.check(record.session, run.id)
            self._finish(record, run, step, state, name, verdict)

    def _finish(
        self, record: Record, run: Run, step: Step, state: State, name: Name, verdict: Verdict
    ) -> None:
        now = self.ports.clock.now()
        row = _active(record, run, step)
        usual = row.retry == 0 and not row.instead and not step.standing
        if state == State.DONE and row.started_at is not None and usual:
            record.session.add(Duration(kind=step.do, seconds=now - row.started_at))
        row.state, row.since, row.ended_at = state, now, now
        row.verdict, row.why = verdict.kind, verdict.why
        evidence = _evidence(verdict)
        row.evidence = json.dumps(evidence)
        record.session.add(row)
        record.add(
            self._event(name, run, step, verdict=str(verdict.kind), why=verdict.why[:500], evidence=evidence)
        )
        if row.asked:
            self._withdraw(record, run, step, row.asked, now)

    def _withdraw(self, record: Record, run: Run, step: Step, decision_id: str, now: float) -> None:
        """The world has answered what people were asked."""
        decision = record.session.get_one(Decision, decision_id)
        if decision.state == "open":
            decision.state, decision.decided_at, decision.outcome = "void", now, "seen done meanwhile"
            record.session.add(decision)
            record.add(self._event(Name.DECISION_VOIDED, run, step, decision=decision.id))

    def _give_up(self, run: Run, plan: Plan, step: Step, verdict: Verdict, why: str) -> None:
        if step.on_fail == "go_on":
            self._end(
                run,
                step,
                State.UNCONFIRMED,
                Name.STEP_UNCONFIRMED,
                verdict.model_copy(update={"reasons": (why,)}),
            )
        else:
            self._hold(run, plan, step, verdict, why)

    def _hold(self, run: Run, plan: Plan, step: Step, verdict: Verdict, why: str) -> None:
        with self.trail.record() as record:
            current = self.lease.check(record.session, run.id)
            row = _active(record, run, step)
            row.state, row.since = State.HELD, self.ports.clock.now()
            row.verdict, row.why = verdict.kind, why or verdict.why
            record.session.add(row)
            record.add(self._event(Name.STEP_HELD, run, step, verdict=str(verdict.kind), why=row.why[:500]))
            self._open(record, current, plan, step, row.why, hold_options(step, current))

    def _ask(self, run: Run, plan: Plan, step: Step, verdict: Verdict) -> None:
        """Ask people about a step that stands, which is looked at all the same."""
        if not step.skippable:
            return
        with self.trail.record() as record:
            current = self.lease.check(record.session, run.id)
            row = _active(record, run, step)
            row.why, row.verdict = verdict.why, verdict.kind
            record.add(self._event(Name.STEP_ASKED, run, step, why=row.why[:500]))
            row.asked = self._open(record, current, plan, step, row.why, ["skip"])
            record.session.add(row)

    def _open(self, record: Record, run: Run, plan: Plan, step: Step, why: str, options: list[str]) -> str:
        """Open the question of a step; returns the decision's id."""
        asked = step.ask or Ask(options=(), roles=("on-call", "lead"))
        decision = Decision(
            id=uuid.uuid4().hex[:12],
            change=run.change,
            run=run.id,
            step=step.id,
            kind="hold",
            question=f"{step.title or step.id}: {why}",
            options=",".join(options),
            roles=",".join(asked.roles),
            quorum=asked.quorum,
            digest=plan.digest,
            state="open",
            created_at=self.ports.clock.now(),
        )
        record.session.add(decision)
        opened = self._event(
            Name.DECISION_OPENED, run, step, decision=decision.id, kind="hold", options=decision.options
        )
        approval = {"decision": decision.id, "quorum": asked.quorum, "role": decision.roles}
        record.add(opened.model_copy(update={"approval": {**approval, "digest": plan.digest}}))
        return decision.id

    def _event(self, name: Name, run: Run, step: Step, **detail: Any) -> Event:
        return Event(name=name, actor=run.person, change=run.change, run=run.id, step=step.id, detail=detail)


def hold_options(step: Step, run: Run) -> list[str]:
    """The ways out of a hold: no way back past the point of no return, no skip of what must be seen."""
    if step.ask is not None:
        return list(step.ask.options)
    options = ["retry"]
    if step.instead is not None:
        options.append("instead")
    if step.skippable:
        options.append("skip")
    if not run.committed and run.state == "running":
        options.append("rollback")
    options.append("abort")
    return options


def _active(record: Record, run: Run, step: Step) -> StepRow:
    """The step's row while it may be worked on. Raises LeaseLost when it ended or was held meanwhile."""
    row = record.session.get_one(StepRow, (run.id, step.id))
    if row.state != State.ACTIVE:
        raise LeaseLost(f"Step {step.id} is {row.state} already.")
    return row


def _evidence(verdict: Verdict) -> dict[str, Any]:
    try:
        canonical(verdict.evidence, limit=32 * 1024)
    except NotCanonical as error:
        return {"left_out": str(error)}
    found: dict[str, Any] = scrubbed(verdict.evidence)
    return found


def _report(error: Exception, step: Step) -> str:
    error_id = uuid.uuid4().hex[:8]
    log.error("step.defect", error_id=error_id, step=step.id, do=step.do, exc_info=error)
    return error_id
