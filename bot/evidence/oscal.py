"""The facts of a window as OSCAL assessment results (JSON), for tools that read nothing else.

OSCAL knows two states of a finding only, `satisfied` and `not-satisfied`. They are given where counting decides, and
mean that no exception was counted, or that some were. Nothing that people typed is in the file. Ids are made from
the window (UUID version 5) and times are the trail's, so that the same window makes the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bot.evidence.controls import Control, controls
from bot.evidence.decided import Decided, decided
from bot.evidence.population import population
from bot.evidence.records import Population
from bot.evidence.table import at, generator
from bot.evidence.window import Window

NAME = "oscal-assessment-results.json"
VERSION = "1.2.3"
"""Of OSCAL: the schema that the file keeps to."""
NAMESPACE = "urn:signalbox:oscal"
_MEANING = (
    "The state says only whether the exceptions that were counted are none. Whether the control was suitably designed "
    "and operated is for the auditor to say."
)
_NO_PLAN = (
    "There is no assessment plan. OSCAL wants assessment results to import one; these are facts exported from an audit "
    "log, and nobody planned an assessment with Signalbox."
)
_CRITERIA = (
    "Controls are named as in the AICPA's Trust Services Criteria (2017, points of focus revised 2022), which is not "
    "published as an OSCAL catalog."
)
_FILES = {
    "population.csv": "Every change of the window, one a line.",
    "events.csv": "Refusals, access, estates, keys, archive, starts and stops.",
    "approvals_policy.csv": "The approvals policy in force over time.",
    "access_review.csv": "Who had which role and what they did.",
    "corroboration.json": "CloudTrail and Kubernetes audit logs against this log.",
    "verify-report.json": "What the verifier says of the log.",
    "manifest.json": "The SHA-256 of every file of the pack, signed.",
    "index.html": "The same facts as a page for people.",
}


def part(window: Window) -> dict[str, bytes]:
    """The file of a pack, the same for the same window. Raises Altered."""
    return {NAME: assessment_results(window, population(window))}


def assessment_results(window: Window, found: Population) -> bytes:
    """The document."""
    return _Document(window, found).made()


@dataclass(frozen=True)
class _Document:
    window: Window
    found: Population

    def made(self) -> bytes:
        matrix, judged = controls(self.found), decided(self.found)
        document = {
            "uuid": self._id("document"),
            "metadata": {
                "title": f"Facts from the audit log {_line(self.window.chain)}, {self.window.days.words}",
                "last-modified": self._end,
                "version": f"{self.window.first}-{self.window.size}",
                "oscal-version": VERSION,
                "props": [self._prop("generator", generator())],
                "remarks": _CRITERIA,
            },
            "import-ap": {"href": f"#{self._id('no plan')}", "remarks": _NO_PLAN},
            "results": [self._result(matrix, judged)],
            "back-matter": {"resources": [self._no_plan(), *(self._file(name) for name in sorted(_FILES))]},
        }
        if judged:
            document["local-definitions"] = {"objectives-and-methods": self._objectives(judged)}
        whole = {"assessment-results": document}
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"

    @property
    def _end(self) -> str:
        """When the last row of the window was written; a window without rows ends where it was asked to."""
        return at(self.found.last_ms if self.found.last_ms is not None else self.window.days.until_ms)

    def _result(self, matrix: Sequence[Control], judged: Sequence[Decided]) -> dict[str, Any]:
        window, found = self.window, self.found
        result = {
            "uuid": self._id("result"),
            "title": f"Rows {window.inside} to {window.outside - 1} of the log" if found.rows else "No rows",
            "description": (
                f"{found.rows} rows and {len(found.changes)} changes, all there are in this window: numbers of rows "
                "have no gap, and the checkpoints in the pack cover them."
            ),
            "start": at(window.days.since_ms),
            "end": at(window.days.until_ms) if window.complete else self._end,
            "props": [
                self._prop("rows", str(found.rows)),
                self._prop("changes", str(len(found.changes))),
                self._prop("drills", str(len(found.drills))),
                self._prop("refusals", str(len(found.refusals))),
                self._prop("window-complete", "yes" if window.complete else "no"),
            ],
            "reviewed-controls": {
                "control-selections": [
                    {
                        "description": "What Signalbox has to do with; other criteria are not looked at.",
                        "include-controls": [{"control-id": one.criterion} for one in matrix],
                    }
                ]
            },
            "observations": [self._observation(one) for one in matrix],
        }
        if judged:
            result["findings"] = [self._finding(one) for one in judged]
        return result

    def _observation(self, one: Control) -> dict[str, Any]:
        observed = {
            "uuid": self._id(f"observation {one.criterion}"),
            "title": f"{one.criterion}: {one.about}",
            "description": "\n\n".join(one.facts),
            "methods": ["EXAMINE"],
            "types": ["control-objective"],
            "props": [self._prop("control", one.criterion)],
            "collected": self._end,
        }
        files = [name for name in one.see if name in _FILES]
        if files:
            observed["relevant-evidence"] = [
                {"href": f"#{self._id(f'file {name}')}", "description": _FILES[name]} for name in files
            ]
        if one.not_here:
            observed["remarks"] = f"Not in this log: {one.not_here}."
        return observed

    def _finding(self, one: Decided) -> dict[str, Any]:
        return {
            "uuid": self._id(f"finding {one.id}"),
            "title": f"{one.control}: {one.statement}",
            "description": one.words,
            "props": [
                self._prop("cases", str(one.cases)),
                self._prop("exceptions", str(len(one.exceptions))),
            ],
            "target": {
                "type": "objective-id",
                "target-id": _objective(one),
                "status": {
                    "state": "not-satisfied" if one.exceptions else "satisfied",
                    "reason": "fail" if one.exceptions else "pass",
                    "remarks": _MEANING,
                },
            },
            "related-observations": [{"observation-uuid": self._id(f"observation {one.control}")}],
        }

    def _objectives(self, judged: Sequence[Decided]) -> list[dict[str, Any]]:
        return [
            {
                "control-id": one.control,
                "description": one.statement,
                "parts": [
                    {
                        "id": _objective(one),
                        "name": "objective",
                        "prose": one.statement,
                    }
                ],
            }
            for one in judged
        ]

    def _no_plan(self) -> dict[str, Any]:
        return {"uuid": self._id("no plan"), "title": "No assessment plan", "description": _NO_PLAN}

    def _file(self, name: str) -> dict[str, Any]:
        return {
            "uuid": self._id(f"file {name}"),
            "title": name,
            "description": _FILES[name],
            "rlinks": [{"href": f"./{name}"}],
        }

    def _prop(self, name: str, value: str) -> dict[str, str]:
        return {"name": name, "ns": NAMESPACE, "value": _line(value)}

    def _id(self, what: str) -> str:
        window = self.window
        days = f"{window.days.since_ms}-{window.days.until_ms}"
        return str(
            uuid.uuid5(
                uuid.NAMESPACE_URL, f"{NAMESPACE}/{window.chain}/{days}/{window.first}-{window.size}/{what}"
            )
        )


def _objective(one: Decided) -> str:
    return f"{one.control}_{one.id}"


def _line(text: str) -> str:
    """On one line, and not empty: OSCAL's strings begin and end with something to see."""
    return " ".join(text.split()) or "none"
