"""Charts as SVG in the page itself: where the time of a recovery went, and how much data was lost."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

_WIDTH, _LEFT, _RIGHT, _ROW = 880, 150, 90, 30
_PARTS = ("detect", "decide", "execute", "verify")


def recovery_times(runs: Sequence[tuple[str, Sequence[tuple[str, float]], int | None]]) -> Markup:
    """A bar a run: (label, [(part, seconds)], objective in seconds). The objective is a line across its bar."""
    most = max([1.0, *(sum(s for _, s in parts) for _, parts, _ in runs), *(o or 0 for *_, o in runs)])
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    shapes = []
    for index, (label, parts, objective) in enumerate(runs):
        y, x = 6 + index * _ROW, float(_LEFT)
        shapes.append(_text(_LEFT - 8, y + 15, label, anchor="end"))
        for name, seconds in parts:
            width = seconds * scale
            shapes.append(
                f'<rect class="part-{_PARTS.index(name)}" x="{x:.1f}" y="{y}" width="{max(width, 0):.1f}" height="20">'
                f"<title>{escape(name)}: {seconds:.1f} s</title></rect>"
            )
            x += width
        total = sum(seconds for _, seconds in parts)
        shapes.append(_text(x + 6, y + 15, f"{total:.0f} s"))
        if objective is not None:
            at = _LEFT + objective * scale
            shapes.append(f'<line class="objective" x1="{at:.1f}" x2="{at:.1f}" y1="{y - 3}" y2="{y + 23}"/>')
    return _svg(shapes, 10 + len(runs) * _ROW, "Recovery time of each run, in parts")


def data_lost(runs: Sequence[tuple[str, int | None, int | None]]) -> Markup:
    """A bar a database of a run: (label, lost in ms or None, objective in seconds)."""
    most = max([1.0, *((ms or 0) / 1000 for _, ms, _ in runs), *(float(o or 0) for *_, o in runs)])
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    shapes = []
    for index, (label, lost, objective) in enumerate(runs):
        y = 6 + index * _ROW
        width = (lost or 0) / 1000 * scale
        shapes.append(_text(_LEFT - 8, y + 15, label, anchor="end"))
        shapes.append(f'<rect class="part-2" x="{_LEFT}" y="{y}" width="{max(width, 1.5):.1f}" height="20"/>')
        said = "not known" if lost is None else f"{lost / 1000:.1f} s"
        shapes.append(_text(_LEFT + width + 8, y + 15, said))
        if objective is not None:
            at = _LEFT + objective * scale
            shapes.append(f'<line class="objective" x1="{at:.1f}" x2="{at:.1f}" y1="{y - 3}" y2="{y + 23}"/>')
    return _svg(shapes, 10 + len(runs) * _ROW, "Data lost, by database and run")


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(shapes: Sequence[str], height: int, label: str) -> Markup:
    inside = "".join(shapes)
    # Everything that people typed went through escape above.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">{inside}</svg>'
    )
