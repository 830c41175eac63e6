"""Pictures for the thread: where the time of a run went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

_COLORS = {
    "prepare": "#8892a6",
    "fence": "#b45309",
    "capacity": "#7c6fd6",
    "promote": "#c2410c",
    "services": "#2563eb",
    "traffic": "#0f766e",
    "verify": "#16a34a",
    "restore": "#8892a6",
    "rollback": "#b91c1c",
}


@dataclass(frozen=True)
class Bar:
    """One step: from `start` to `end` seconds after the approval; `seen` = it was seen done."""

    label: str
    phase: str
    start: float
    end: float
    seen: bool


def timeline(title: str, bars: Sequence[Bar], *, objective: float, spent_before: float) -> bytes:
    """A PNG with one bar a step. The recovery objective is a line, `spent_before` seconds nearer than its value:
    that much of it had passed when the run began.
    """
    # Imported here: half a second and 60 MB that only a report needs.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    height = 1.2 + 0.26 * len(bars)
    figure = Figure(figsize=(9, height), dpi=110, facecolor="white")
    axes = figure.add_subplot()
    latest = max((bar.end for bar in bars), default=1.0)
    for row, bar in enumerate(bars):
        color = _COLORS.get(bar.phase, "#8892a6")
        axes.barh(
            row,
            max(bar.end - bar.start, latest / 300),
            left=bar.start,
            color=color if bar.seen else "white",
            edgecolor=color,
            hatch=None if bar.seen else "////",
            height=0.66,
        )
        axes.text(
            bar.end + latest / 120,
            row,
            f"{bar.end - bar.start:.0f} s",
            va="center",
            fontsize=7,
            color="#475569",
        )
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=7.5)
    axes.invert_yaxis()
    limit = objective - spent_before
    if 0 < limit < latest * 1.5:
        axes.axvline(limit, color="#b91c1c", linestyle="--", linewidth=1)
        axes.text(limit, -0.9, "recovery objective", color="#b91c1c", fontsize=7, ha="center")
    axes.set_xlim(0, latest * 1.08)
    axes.set_xlabel("seconds after the approval · hatched: not confirmed", fontsize=8)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.set_title(title, fontsize=10, loc="left", fontweight="bold")
    axes.grid(axis="x", color="#e2e8f0", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
