"""A plan: a DAG of steps as plain data, with a digest that approvals are bound to."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from bot.canon import canonical

OnFail = Literal["hold", "go_on"]


class Call(BaseModel):
    """What code runs (`kind@version`) and with which arguments (JSON). `label` is the button's words, if any."""

    model_config = ConfigDict(frozen=True)

    do: str
    args: dict[str, Any] = {}
    label: str = ""


class Ask(BaseModel):
    """A question that only people can answer: what they may say, who of which role, and how many of them."""

    model_config = ConfigDict(frozen=True)

    options: tuple[str, ...] = ("acknowledge",)
    roles: tuple[str, ...] = ("lead",)
    quorum: int = 1


class Step(BaseModel):
    """One step of a plan.

    `needs` are ids of steps that must have ended; `blocks` the resources it holds; `before` what was found
    before, so that `undo` can put it back. `on_fail="go_on"` lets the run continue when the step could not
    be confirmed; every other failure holds and asks. `commits` marks the first promotion call: from its first
    intent there is no way back but failback. `skippable` tells whether a person may decide to skip it.

    A `standing` step keeps the run open for as long as it takes, and holds back only the steps that need it:
    it never gives up. When it is not seen done in its time and `on_fail` is `hold` it asks people, and goes on
    looking while they think. `instead` is another way to the same end, planned and approved with the rest,
    which a person may choose while the step is held. A step with `ask` is done when people have answered.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    do: str
    args: dict[str, Any] = {}
    title: str = ""
    phase: str = "execute"
    undo: Call | None = None
    needs: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    before: dict[str, Any] = {}
    on_fail: OnFail = "hold"
    standing: bool = False
    instead: Call | None = None
    ask: Ask | None = None
    commits: bool = False
    skippable: bool = True
    expect_seconds: int = 0


class Plan(BaseModel):
    """What a run does, whole.

    `bounds` are limits that people approve (`data_loss_seconds`, `write_pause_seconds`…); a bound exceeded
    at execution voids the approval. `preempts` are the runs that end when this plan is approved: their rollback
    is disarmed and their blocks are taken. `facts` are observations shown beside the plan: not in the digest,
    since the world moves while people read.
    """

    model_config = ConfigDict(frozen=True)

    runbook: str
    title: str
    estate_digest: str
    request: dict[str, Any]
    steps: tuple[Step, ...]
    bounds: dict[str, int] = {}
    preempts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_a_dag(self) -> Self:
        done: set[str] = set()
        ids = [s.id for s in self.steps]
        if len(set(ids)) != len(ids):
            raise ValueError("two steps have the same id")
        for step in self.steps:
            if missing := set(step.needs) - done:
                raise ValueError(f"step {step.id} needs {sorted(missing)}, which do not come before it")
            done.add(step.id)
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that is approved: all but `facts`, `notes` and expectations."""
        body = self.model_dump(mode="json", exclude={"facts", "notes"})
        for step in body["steps"]:
            del step["expect_seconds"], step["title"]
        return hashlib.sha256(canonical(body)).hexdigest()

    def step(self, step_id: str) -> Step:
        """The step of this id. Raises KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Every resource that any step holds, sorted."""
        return tuple(sorted({block for step in self.steps for block in step.blocks}))

    def back(self, done: Collection[str]) -> Plan:
        """The plan that undoes the steps in `done`, last first.

        Raises ValueError when one of them commits: past the point of no return there is no way back.
        """
        undone: list[Step] = []
        if committed := [s.id for s in self.steps if s.commits and s.id in done]:
            raise ValueError(f"past the point of no return: {', '.join(committed)}")
        # Traffic goes back first whatever the order of doing was (delivery facts, rollback order).
        order = sorted(
            (s for s in reversed(self.steps) if s.id in done and s.undo is not None),
            key=lambda s: 0 if s.do.startswith(("traffic.", "weight.", "dns.")) else 1,
        )
        for step in order:
            assert step.undo is not None
            needs = (undone[-1].id,) if undone else ()
            undone.append(
                Step(
                    id=f"undo:{step.id}",
                    do=step.undo.do,
                    args=step.undo.args,
                    title=f"Undo: {step.title or step.id}",
                    phase="rollback",
                    needs=needs,
                    blocks=step.blocks,
                )
            )
        return self.model_copy(
            update={"runbook": f"{self.runbook}/back", "steps": tuple(undone), "facts": {}}
        )

    def critical_path_seconds(self) -> int:
        """Expected seconds until all but what stands has ended: the longest way through the DAG."""
        at: dict[str, int] = {}
        for step in self.steps:
            if not step.standing and all(n in at for n in step.needs):
                at[step.id] = max((at[n] for n in step.needs), default=0) + step.expect_seconds
        return max(at.values(), default=0)


def difference(old: Plan, new: Plan) -> list[str]:
    """What a fresh plan would do otherwise than the approved one, in words; empty when the digests agree."""
    if old.digest == new.digest:
        return []
    found = [
        f"{label} changed"
        for label, a, b in (
            ("the runbook's version", old.runbook, new.runbook),
            ("the estate", old.estate_digest, new.estate_digest),
        )
        if a != b
    ]
    found += _compare("bound", old.bounds, new.bounds)
    if old.preempts != new.preempts:
        found.append(f"the runs it stops: {_listed(old.preempts)} → {_listed(new.preempts)}")
    before, after = {s.id: s for s in old.steps}, {s.id: s for s in new.steps}
    found += [f"step {i} is no longer needed" for i in before if i not in after]
    found += [f"step {i} is new" for i in after if i not in before]
    for step_id in before.keys() & after.keys():
        a, b = before[step_id].model_dump(), after[step_id].model_dump()
        fields = [k for k in a if a[k] != b[k] and k not in ("title", "expect_seconds")]
        if fields:
            found.append(f"step {step_id}: {', '.join(fields)} changed")
    return found or ["the request changed"]


def _listed(ids: Collection[str]) -> str:
    return ", ".join(ids) or "none"


def _compare(label: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{label} {key}: {old.get(key)} → {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
