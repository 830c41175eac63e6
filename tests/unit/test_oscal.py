"""The facts as OSCAL assessment results: after NIST's schema, references that lead somewhere, the same each time."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from evidence_quarter import Quarter, played
from hand_clock import HandClock

from bot.evidence import access
from bot.evidence.controls import controls
from bot.evidence.decided import decided
from bot.evidence.oscal import NAME, VERSION, part
from bot.evidence.pack import OF_OTHERS, Asked
from bot.evidence.population import population
from bot.evidence.window import Days, Window, days, open_window
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

SCHEMA = Path(__file__).parents[1] / "data" / "oscal-assessment-results.schema.json"


@pytest.fixture(scope="module")
def schema() -> Any:
    """NIST's schema; classes of letters that `re` does not know are written as it does."""
    found = SCHEMA.read_text().replace(
        r"(\\p{L}|_)(\\p{L}|\\p{N}|[.\\-_])*", r"([^\\W\\d]|_)([^\\W]|[.\\-_])*"
    )
    assert "\\p{" not in found
    return jsonschema.Draft7Validator(json.loads(found))


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    with played(f"sqlite:///{place}/q.db", place) as made:
        yield made


@pytest.fixture(scope="module")
def window(quarter: Quarter) -> Window:
    return open_window(quarter.box.database, days("2027-01-15", "2027-01-16"))


@pytest.fixture(scope="module")
def document(window: Window) -> Any:
    return json.loads(part(window)[NAME])


def faults(schema: Any, document: Any) -> list[str]:
    return [f"{'/'.join(map(str, e.path))}: {e.message[:200]}" for e in schema.iter_errors(document)]


def test_it_keeps_to_the_published_schema(schema: Any, document: Any) -> None:
    """Every field, and the schema is of the version that the file names."""
    assert faults(schema, document) == []
    assert f"/{VERSION}/" in schema.schema["$id"]
    assert document["assessment-results"]["metadata"]["oscal-version"] == VERSION


@pytest.mark.parametrize(
    "broken",
    [
        lambda d: d["assessment-results"].pop("import-ap"),
        lambda d: d["assessment-results"]["results"][0]["findings"][0]["target"]["status"].update(
            state="effective"
        ),
        lambda d: d["assessment-results"]["results"][0]["props"][0].update(name="two words"),
        lambda d: d["assessment-results"]["results"][0]["props"][0].update(value="two\nlines"),
        lambda d: d["assessment-results"].update(uuid="1"),
    ],
)
def test_the_schema_would_find_what_matters(schema: Any, document: Any, broken: Any) -> None:
    """A schema that lets everything pass proves nothing."""
    copy = json.loads(json.dumps(document))
    broken(copy)
    assert faults(schema, copy)


def test_an_empty_window_keeps_to_it_too(schema: Any, tmp_path: Path, clock: HandClock) -> None:
    """Nothing happened: no findings, and no lists without anything in them, which OSCAL does not take."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    trail = Trail(database, clock)
    trail.note(Event(name=Name.BOT_STOPPED))
    clock.advance(600)
    Checkpointer(trail, Keyring(FileKey(tmp_path / "key"))).seal()
    made = json.loads(part(open_window(database, Days(0, 2**42)))[NAME])
    assert faults(schema, made) == []
    assert "findings" not in made["assessment-results"]["results"][0]
    before = json.loads(part(open_window(database, Days(0, 86_400_000)))[NAME])
    assert faults(schema, before) == []
    database.close()


def test_references_lead_somewhere(document: Any) -> None:
    """The plan that there is none of, the evidence, the observations: each id is in the file, and only once."""
    text = json.dumps(document)
    found = re.findall(r'"uuid": "([^"]+)"', text)
    assert len(found) == len(set(found))
    for href in re.findall(r'"href": "#([^"]+)"', text) + re.findall(r'"observation-uuid": "([^"]+)"', text):
        assert href in found
    plan = document["assessment-results"]["import-ap"]["href"].removeprefix("#")
    [resource] = [r for r in document["assessment-results"]["back-matter"]["resources"] if r["uuid"] == plan]
    assert "no assessment plan" in resource["description"]


def test_findings_are_what_was_counted(window: Window, document: Any) -> None:
    """A gap in the heartbeat is an exception; a state is given only where counting decides, with all counts beside."""
    [result] = document["assessment-results"]["results"]
    found = population(window)
    judged = {one.id: one for one in decided(found)}
    states = {
        f["target"]["target-id"].partition("_")[2]: f["target"]["status"]["state"] for f in result["findings"]
    }
    assert states == {one.id: "not-satisfied" if one.exceptions else "satisfied" for one in judged.values()}
    assert states["heartbeat-unbroken"] == "not-satisfied"
    assert states["approved-before-run"] == "satisfied"
    assert {o["title"].partition(":")[0] for o in result["observations"]} == {
        c.criterion for c in controls(found)
    }
    objectives = document["assessment-results"]["local-definitions"]["objectives-and-methods"]
    assert {f["target"]["target-id"] for f in result["findings"]} == {o["parts"][0]["id"] for o in objectives}
    assert "effective" not in json.dumps(document)


def test_exceptions_are_found(window: Window) -> None:
    """A run without enough approvals, of another plan, approved by who asked, a call without an outcome."""
    found = population(window)
    [ran] = [one for one in found.changes if one.started_seq is not None and not one.emergency]
    asked = ran.of("approval")[-1]
    [vote] = asked.votes

    def exceptions(**changed: Any) -> set[str]:
        questions = {asked.id: replace(asked, **changed.pop("question", {}))}
        other = replace(ran, questions=questions, **changed)
        return {one.id for one in decided(replace(found, changes=[other], gaps=[])) if one.exceptions}

    assert exceptions() == set()
    assert exceptions(question={"quorum": 2}) == {"approved-before-run"}
    assert exceptions(question={"votes": []}) == {"approved-before-run"}
    assert exceptions(question={"votes": [replace(vote, seq=10**9)]}) == {"approved-before-run"}
    assert exceptions(run_digest="other") == {"approved-plan-ran"}
    assert exceptions(requester=vote.person) == {"approved-before-run", "requester-not-approver"}
    assert exceptions(calls=replace(ran.calls, intents=ran.calls.intents + 1)) == {"calls-have-outcomes"}
    assert exceptions(glass_seq=3) == {"break-glass-reviewed"}


def test_the_same_window_makes_the_same_bytes(window: Window) -> None:
    """Ids and times come from the trail; another window has other ids."""
    assert part(window) == part(window)
    other = open_window(window.database, days("2027-01-15", "2027-01-15"))
    ids = [json.loads(part(one)[NAME])["assessment-results"]["uuid"] for one in (window, other)]
    assert ids[0] != ids[1]


def test_nothing_that_people_typed_is_in_it(document: Any) -> None:
    """Reasons and commands may hold anything; here there are numbers and names of ours."""
    text = json.dumps(document)
    assert "HYPERLINK" not in text
    assert "script" not in text.replace("description", "")


def test_a_pack_has_it_and_the_tables(quarter: Quarter) -> None:
    """Beside what every pack has; nothing else is said to be missing but what others keep, and it verifies."""
    packer = replace(quarter.packer, extras=(access.part, part))
    out = io.BytesIO()
    packer.pack(Asked(quarter.days), out)
    with zipfile.ZipFile(out) as pack:
        names, readme = pack.namelist(), pack.read("README-auditor.md").decode()
    assert {*access.part(open_window(quarter.box.database, quarter.days)), NAME} <= set(names)
    assert {name for name in OF_OTHERS if name not in names} == {"corroboration.json"}
    assert readme
