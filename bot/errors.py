"""Everything that can go wrong, as one tree.

SignalboxError
├── UsageError          the words typed do not make a command
├── Refused             understood, and not allowed or not possible now
│   ├── NotAllowed      this person may not
│   ├── Blocked         another change holds what this one needs
│   └── Void            an approval no longer covers what would be done
├── EstateError         the estate's file is not usable
├── OutsideError        a call to the outside did not give an answer that can be trusted
│   ├── Unreachable     no answer at all: the call may or may not have arrived
│   │   └── Busy        a read that was throttled: worth asking again a little later
│   ├── Rejected        an answer that says no: nothing was changed
│   ├── Conflict        someone else changed the same thing first: nothing was changed
│   └── Throttled       too many calls at the moment: nothing was changed, and later it may be
├── TrailError          the trail cannot record, so nothing may be done
│   └── Altered         the trail holds something else than what was written
└── LeaseLost           another replica owns this work now

Each says what happened, what was *not* done, and what to do next; `str()` of it is what people read.
"""

from __future__ import annotations

from bot.scrub import scrub


class SignalboxError(Exception):
    """Base of all errors that people may read; what others said in it holds no secret any more."""

    not_done = "Nothing was changed."

    def __init__(self, what: str, *, not_done: str | None = None, then: str = "") -> None:
        what = scrub(what)
        super().__init__(what)
        self.what = what
        self.then = scrub(then)
        if not_done is not None:
            self.not_done = not_done

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.not_done, self.then) if part)


class UsageError(SignalboxError):
    """The words typed do not make a command."""


class Refused(SignalboxError):
    """Understood, and not allowed or not possible now."""


class NotAllowed(Refused):
    """This person may not do this."""


class Blocked(Refused):
    """Another change holds what this one needs."""


class Void(Refused):
    """An approval no longer covers what would be done."""


class EstateError(SignalboxError):
    """The estate's file is not usable."""


class OutsideError(SignalboxError):
    """A call to the outside did not give an answer that can be trusted."""

    not_done = ""


class Unreachable(OutsideError):
    """No answer: the call may or may not have arrived."""


class Busy(Unreachable):
    """A read that was throttled: nobody is gone, and it is worth asking again a little later."""


class Rejected(OutsideError):
    """An answer that says no; nothing was changed by this call."""


class Conflict(Rejected):
    """Someone else changed the same thing first; nothing was changed by this call."""


class Throttled(Rejected):
    """Too many calls at the moment; nothing was changed by this call, and the same call may pass later."""


class TrailError(SignalboxError):
    """The trail cannot record, so no call may leave."""

    not_done = "No call was made."


class Altered(TrailError):
    """The trail holds something else than what was written or signed."""

    not_done = "No checkpoint was signed."


class LeaseLost(SignalboxError):
    """Another replica owns this work now."""

    not_done = "This replica did nothing more."
