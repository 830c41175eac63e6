"""Plans and databases for tests of the core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bot.plan import Call, Plan, Step

ESTATE_FILE = Path(__file__).parents[2] / "bot" / "sandbox" / "estate.yaml"


def plan_of(*steps: Step, **fields: Any) -> Plan:
    """A plan of these steps."""
    return Plan(
        runbook="test@1",
        title="A test",
        estate_digest="e" * 64,
        request={"to": "us-west-2"},
        steps=steps,
        **fields,
    )


@st.composite
def dags(draw: st.DrawFn, most: int = 8) -> Plan:
    """Any DAG of up to `most` steps."""
    count = draw(st.integers(1, most))
    steps = []
    for index in range(count):
        needs = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        steps.append(
            Step(
                id=f"s{index}",
                do=draw(st.sampled_from(["traffic.stop@1", "fence.network@1", "capacity.nodes@1"])),
                needs=tuple(f"s{n}" for n in sorted(needs)),
                undo=Call(do="undo@1") if draw(st.booleans()) else None,
                commits=draw(st.integers(0, 9)) == 0,
            )
        )
    return plan_of(*steps)


def estate_text() -> str:
    """The sandbox's estate with every placeholder filled in."""
    import re

    text = ESTATE_FILE.read_text()
    text = text.replace("${subnets_us_east_1}", "[subnet-a]").replace("${subnets_us_west_2}", "[subnet-b]")
    text = text.replace("${zone_id}", "Z0000EXAMPLE")
    text = text.replace("${name_servers}", "[ns-1.signalbox-dns.example, ns-2.signalbox-dns.example]")
    return re.sub(r"\$\{[a-z0-9_]+\}", "80", text)
