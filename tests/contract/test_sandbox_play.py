"""The scenario format and its player, without a bot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.play import ScenarioError, load
from bot.sandbox.play.figures import gather, holds
from bot.sandbox.play.reading import buttons_of, fits, text_of
from bot.sandbox.play.scenario import SHIPPED

START = "import sys; from bot.sandbox.main import main; sys.exit(main(sys.argv[1:]))"


def play(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START, "--bots", "0", "--play", str(path), *more]
    return subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ), timeout=100, check=False
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_shipped_scenarios_are_well_formed(name: str) -> None:
    """Every shipped scenario loads, has a story, and says in words what a failure means."""
    scenario = load(name)

    assert scenario.story
    assert all(
        step.otherwise for step in scenario.steps if step.verb in {"wait_for", "told", "expect", "count"}
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("steps: 5", "a scenario needs"),
        ("steps: [wait]", "step 1: a step is a mapping"),
        ("steps: [{wait: 1, say: x}]", "step 1: exactly one of"),
        ("steps: [{say: x}, {click: {user: lead}}]", "step 2: click needs action, message, user"),
        ("steps: [{say: x, loudly: true}]", "unknown loudly"),
        ('steps: [{count: {text: "(", is: 0}}]', "step 1: '[(]' is no regular expression"),
        ("steps: [", "bad.yaml"),
    ],
)
def test_mistakes_in_scenarios(content: str, problem: str, tmp_path: Path) -> None:
    """A scenario that cannot be played names its file, its step and what is wrong."""
    path = tmp_path / "bad.yaml"
    path.write_text(content)

    with pytest.raises(ScenarioError, match=problem):
        load(str(path))


def test_unknown_scenario() -> None:
    """An unknown name is answered with the shipped ones."""
    with pytest.raises(ScenarioError, match="shipped: capacity-short, crash, failback, failover, half-done"):
        load("falover")


MESSAGE: dict[str, Any] = {
    "text": "Fail over",
    "ephemeral_to": None,
    "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": "waits for *approval*"}},
        {
            "type": "actions",
            "elements": [{"type": "button", "action_id": "approve", "text": {"text": "Yes"}}],
        },
    ],
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"text": "(?i)WAITS"}, True),
        ({"text": "^Fail", "button": "approve"}, True),
        ({"button": "deny"}, False),
        ({"without": "approve"}, False),
        ({"text": "Yes", "without": "deny"}, True),
        ({"to": "oncall"}, False),
    ],
)
def test_reading(wanted: dict[str, Any], expected: bool) -> None:
    """Messages are matched by all their texts and by their buttons; ephemeral ones only when asked for."""
    assert "waits for" in text_of(MESSAGE)
    assert buttons_of(MESSAGE) == {"approve"}
    assert fits(MESSAGE, wanted) is expected


@pytest.mark.parametrize(
    ("value", "condition", "expected"),
    [
        (0, 0, True),
        (1, 0, False),
        (0.97, ">= 0.95", True),
        (3, "< 3", False),
        ("us-west-2", "us-west-2", True),
    ],
)
def test_conditions(value: Any, condition: Any, expected: bool) -> None:
    """Comparisons or plain equality."""
    assert holds(value, condition) is expected


def test_shares_leave_the_newest_seconds_out() -> None:
    """Shares are of requests that have ended, in the seconds asked for."""
    rows = [
        {
            "t": t,
            "ok": 0 if t < 90 else 4,
            "failed": 4 if t < 90 else 0,
            "by_region": {"w": 4} if t >= 90 else {},
        }
        for t in range(80, 100)
    ]
    customers = {"timeline": rows, "totals": {"sent": 80}, "by_region": {"w": 40}}

    assert gather(customers, {}, 100, 8)["ok_share"] == 1.0
    assert gather(customers, {}, 100, 16)["ok_share"] == 0.5
    assert gather(customers, {}, 100, 8)["served_w"] == 1.0


def test_figures_tell_who_takes_writes_and_who_is_stopped() -> None:
    """Open writers are counted by database; a Region's STOP object is 1 or 0."""
    customers: dict[str, Any] = {"timeline": [], "totals": {}, "by_region": {}}
    sides = {"e": {"takes_writes": True}, "w": {"takes_writes": True}}
    databases = {"g": {"name": "pay", "writer": "w", "promotions": 1, "lag_ms": 0.0, "regions": sides}}
    figures = gather(customers, databases, 100, 8, {"e": {"stopped": True}, "w": {"stopped": False}})

    assert (figures["writers_pay"], figures["stopped_e"], figures["stopped_w"]) == (2, 1, 0)


def test_plays(tmp_path: Path) -> None:
    """Faults, clocks and expectations work; the exit code and the text say what did not hold."""
    path = tmp_path / "night.yaml"
    path.write_text("""
story: a night
speed: 20
steps:
  - say: It is quiet.
  - wait: 20
  - expect: {ok_share: ">= 0.9", over: 10}
    until: 60
    else: Customers should be served.
  - fault: {kind: service-errors, service: payment-service}
    as: errors
  - expect: {ok_share: "<= 0.1", over: 5}
    until: 60
  - clear: errors
  - by_hand: {do: stop, region: us-east-1}
  - expect: {stopped_us-east-1: 1}
  - by_hand: {do: unstop, region: us-east-1}
  - advance: 3600
  - expect: {ok_share: ">= 0.9", over: 5}
    until: 60
  - expect: {payments_lost: 7}
    else: This cannot hold.
  - wait_for: {text: nothing}
    within: 5
    else: Nobody says this.
  - say: never reached
""")

    ended = play(path, "--json", "--state", str(tmp_path / "state"))
    result = json.loads(ended.stdout)

    assert ended.returncode == 1
    assert [step["ok"] for step in result["steps"]] == [True] * 11 + [False, False]
    assert "This cannot hold. (payments_lost is 0, not 7)" in result["failures"]
    assert result["failures"][1].startswith("Nobody says this. (not seen within 5 s")
    assert result["customers"]["ok"] > 0
    assert (tmp_path / "state" / "sandbox.json").exists()


def test_plain_lines(tmp_path: Path) -> None:
    """Without a terminal each step is a line, with the simulated time."""
    path = tmp_path / "short.yaml"
    path.write_text("{story: short, speed: 20, steps: [{say: Hello.}, {wait: 2}]}")

    ended = play(path)

    assert ended.returncode == 0
    assert "+00:00 · Hello." in ended.stdout.splitlines()
    assert "short: 2 steps, all expectations hold" in ended.stdout


def test_bad_name_of_scenario() -> None:
    """A scenario that is not there ends with exit code 2 and one line."""
    ended = play(Path("nowhere"))

    assert ended.returncode == 2
    assert ended.stderr.startswith("signalbox sandbox: no scenario 'nowhere'")
