"""How a play looks: live on a terminal, one line after the other elsewhere."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

MARKS = {"say": "·", "done": "✓", "failed": "✗", "now": "…"}


class View(Protocol):
    """Who watches."""

    def begin(self, title: str, story: str) -> None: ...
    def line(self, mark: str, text: str, elapsed: float) -> None: ...
    def customers(self, told: Mapping[str, Any], elapsed: float) -> None: ...
    def thread(self, lines: list[str]) -> None: ...
    def end(self, summary: str, *, ok: bool) -> None: ...


class SilentView:
    """For `--json`: the result alone is printed."""

    def begin(self, title: str, story: str) -> None: ...
    def line(self, mark: str, text: str, elapsed: float) -> None: ...
    def customers(self, told: Mapping[str, Any], elapsed: float) -> None: ...
    def thread(self, lines: list[str]) -> None: ...
    def end(self, summary: str, *, ok: bool) -> None: ...


class PlainView(SilentView):
    """One line for each step, for logs."""

    def begin(self, title: str, story: str) -> None:
        print(f"{title}: {story}", flush=True)

    def line(self, mark: str, text: str, elapsed: float) -> None:
        if mark != "now":
            print(f"{clock(elapsed)} {MARKS[mark]} {text}", flush=True)

    def thread(self, lines: list[str]) -> None:
        for text in lines:
            print(f"          | {text}", flush=True)

    def end(self, summary: str, *, ok: bool) -> None:
        print(summary, flush=True)


class LiveView:
    """The story on the left, Slack on the right, customers below; redrawn four times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = self._story = self._customers = self._now = ""
        self._elapsed = 0.0
        self._lines: deque[str] = deque(maxlen=200)
        self._thread: deque[str] = deque(maxlen=200)
        self._console = Console()
        self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)

    def begin(self, title: str, story: str) -> None:
        self._title, self._story = title, story
        self._live.start()

    def line(self, mark: str, text: str, elapsed: float) -> None:
        self._elapsed = elapsed
        if mark == "now":
            self._now = text
            return
        color = {"failed": "red", "done": "green"}.get(mark, "bold")
        self._now = ""
        self._lines.append(f"[dim]{clock(elapsed)}[/] [{color}]{MARKS[mark]} {_plain(text)}[/]")

    def customers(self, told: Mapping[str, Any], elapsed: float) -> None:
        self._elapsed = elapsed
        self._customers = strip(told["timeline"], max(20, self._console.width - 34))
        totals = told["totals"]
        self._customers += (
            f"\nsent {totals['sent']} · ok {totals['ok']} · failed {totals['failed']} · "
            f"lost {totals['payments_lost']} · two writers {totals['acknowledged_by_two_writers']} · "
            + ", ".join(f"{region} {count}" for region, count in told["by_region"].items())
        )

    def thread(self, lines: list[str]) -> None:
        self._thread.extend(_plain(text) for text in lines)

    def end(self, summary: str, *, ok: bool) -> None:
        self._now = ""
        self._live.stop()
        self._console.print(f"[{'green' if ok else 'red'}]{_plain(summary)}[/]")

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table

        height = max(6, self._console.height - 10)
        story = [*self._lines, *([f"[yellow]… {_plain(self._now)}[/]"] if self._now else [])][-height:]
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(
            Panel("\n".join(story), title="story", height=height + 2),
            Panel("\n".join(list(self._thread)[-height:]), title="Slack", height=height + 2),
        )
        head = f"[bold]{self._title}[/] {_plain(self._story)} [dim]{clock(self._elapsed)}[/]"
        return Group(head, grid, Panel(self._customers, title="customers, newest right"))


def strip(timeline: list[Mapping[str, Any]], width: int) -> str:
    """The last seconds as a character each: full when all were served, red where somebody was not."""
    cells = []
    for row in timeline[-width:]:
        done = row["ok"] + row["failed"]
        if not done:
            cells.append("[dim]·[/]")  # nobody has been answered yet
            continue
        share = row["ok"] / done
        block = "▁▂▃▄▅▆▇█"[min(7, int(share * 7.99))]
        cells.append(f"[green]{block}[/]" if share > 0.98 else f"[red]{block}[/]")
    return "".join(cells)


def clock(seconds: float) -> str:
    """Simulated time since the beginning, as +MM:SS."""
    return f"+{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def view(*, as_json: bool) -> View:
    """The view that suits standard output."""
    if as_json:
        return SilentView()
    return LiveView() if sys.stdout.isatty() else PlainView()
