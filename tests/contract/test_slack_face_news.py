"""The Slack face tells of the trail itself: once, in the right channels, and again when all is well."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from slack_face_world import faced, facing
from slack_schema import wrong_with_message
from slack_world import until

from bot.trail.event import Event, Name

BEHIND = Event(name=Name.LOG_DIVERGED, ok=False, detail={"state": "behind", "why": "900 rows are locked."})
AWAY = Event(name=Name.LOG_UNANCHORED, ok=False, detail={"why": "It does not answer."})
WELL = Event(name=Name.LOG_ANCHORED)
LATE, CAUGHT_UP = Event(name=Name.ARCHIVE_LATE, ok=False), Event(name=Name.ARCHIVE_CAUGHT_UP)


def scene(body):
    """Run a test body against a fresh simulator and face."""

    async def run(path):
        async with faced(path) as here:
            await body(here)

    return lambda path: asyncio.run(run(path))


def told(s, channel="ops"):
    return [m["text"] for m in s.shown(channel)]


def channels(s):
    return list(s.desk.estate.slack.channels)


def test_a_start_that_finds_all_well_says_nothing(tmp_path):
    """Neither the first nor the hundredth."""

    async def body(s):
        s.desk.trail.note(WELL)
        s.desk.trail.note(WELL)
        s.desk.trail.note(AWAY)
        await until(lambda: told(s))
        assert len(told(s)) == 1
        assert "did not answer" in told(s)[0]

    scene(body)(tmp_path)


def test_trouble_is_said_once_and_its_end_too(tmp_path):
    """A start that finds the same again adds nothing."""

    async def body(s):
        for event in (AWAY, AWAY, WELL, LATE, CAUGHT_UP, CAUGHT_UP, WELL):
            s.desk.trail.note(event)
        await until(lambda: len(told(s)) == 4)
        await asyncio.sleep(1.5)
        said = told(s)
        for words, text in zip(
            ("did not answer", "answers", "wait for the archive", "caught up"), said, strict=True
        ):
            assert words in text
        assert all(wrong_with_message(m) == [] for m in s.shown())

    scene(body)(tmp_path)


def test_a_difference_is_said_in_every_channel_and_calls_the_leads(tmp_path):
    """With what is refused, what is not, and what to type; the recovery is said there, too."""

    async def body(s):
        s.desk.trail.note(BEHIND)
        await until(lambda: all(told(s, name) for name in channels(s)))
        blocks = str(s.shown()[0]["blocks"])
        for words in (
            "lacks rows",
            "900 rows are locked",
            "planned changes are refused",
            "signalbox recover",
            "<@U0000LEAD01>",
        ):
            assert words in blocks, words
        detail = {"origin": "signalbox/r1", "emergency": True}
        approval = {"signatures": [{"person": "U0000ONCALL"}]}
        s.desk.trail.note(
            Event(name=Name.LOG_RECOVERED, actor="U0000ONCALL", detail=detail, approval=approval)
        )
        await until(lambda: all(len(told(s, name)) == 2 for name in channels(s)))
        assert "<@U0000ONCALL> recovered the trail alone" in told(s)[-1]

    scene(body)(tmp_path)


def test_another_process_does_not_say_it_again(tmp_path):
    """The cursor is in the database."""

    async def body(s):
        s.desk.trail.note(BEHIND)
        await until(lambda: told(s))
        s.leads[0] = False
        await asyncio.sleep(1.2)
        async with facing(s.here, s.face._settings, s.database) as other:
            await until(other.face.connected)
            other.desk.trail.note(LATE)
            await until(lambda: len(told(s)) == 2)
        assert "wait for the archive" in told(s)[-1]

    scene(body)(tmp_path)
