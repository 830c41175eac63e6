"""An answer as a person gives it: what they chose, where, why, and the signature that stands for them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.changes.signed import Signed, vote_statement
from bot.store.tables import Change, Decision, Vote
from bot.trail.event import Event, Name


@dataclass(frozen=True)
class Given:
    """One person's answer. `face` says where; a terminal vouches for nobody, so there it is `signed`."""

    decision: str
    choice: str
    person: str
    face: str = "slack"
    reason: str = ""
    signed: Signed | None = None

    def statement(self, decision: Decision) -> bytes:
        """What the person's key has signed."""
        return vote_statement(decision.id, self.choice, self.person, decision.digest, self.reason)

    def vote(self, now: float) -> Vote:
        """The row."""
        return Vote(
            decision=self.decision,
            person=self.person,
            choice=self.choice,
            face=self.face,
            at=now,
            reason=self.reason,
            signature=self.signed.signature.hex() if self.signed else "",
        )

    def event(self, decision: Decision, change: Change) -> Event:
        """The trail's row: with a signature, all that is needed to check it again."""
        approval = {"decision": decision.id, "choice": self.choice, "digest": decision.digest}
        if self.reason:
            approval["reason"] = self.reason
        if self.signed:
            approval = self.signed.evidence(**approval)
        return Event(
            name=Name.VOTE_CAST,
            actor=self.person,
            change=change.id,
            run=decision.run,
            step=decision.step,
            face=self.face,
            approval=approval,
        )
