"""The plan in a window: every step, what it waits for, whether it can be undone."""

from __future__ import annotations

from bot.changes.views import ChangeView, Option, StepView
from bot.clock import span
from bot.plan import Plan, Step
from bot.slack import blocks as b
from bot.slack.cards import state_line
from bot.slack.lists import grouped
from bot.slack.mrkdwn import bullets, clip, escape

STEPS_OF_A_PAGE = 60
NEXT, BACK = Option("plan_next", "Next steps"), Option("plan_back", "Earlier steps")

View = dict[str, object]


def loading() -> View:
    """Opened at once, since the right to open a window lasts three seconds."""
    return _modal([b.section("Fetching the plan…")])


def message(text: str) -> View:
    """A window that says why there is no plan in it; `text` already escaped."""
    return _modal([b.section(text)])


def plan(view: ChangeView, whole: Plan | None, page: int = 0) -> View:
    """One page of the plan. Without `whole`, what the change's view knows of its steps."""
    pages = max(1, -(-len(view.plan) // STEPS_OF_A_PAGE))
    page = min(max(page, 0), pages - 1)
    blocks: list[b.Block] = []
    if page == 0:
        blocks += _head(view)
    steps = {s.id: s for s in whole.steps} if whole else {}
    numbers = {s.id: i for i, s in enumerate(view.plan, 1)}
    lines: list[str] = []
    phase = None
    first = page * STEPS_OF_A_PAGE
    for number, step in enumerate(view.plan[first : first + STEPS_OF_A_PAGE], first + 1):
        if step.phase != phase:
            phase = step.phase
            lines.append(f"*{escape(phase.replace('_', ' ').capitalize())}*")
        lines.append(_step(number, step, steps.get(step.id), numbers))
    blocks += b.sections(lines, limit=2900) or [b.section("_This plan has no steps._")]
    if page == pages - 1:
        blocks += _notes(view, b.VIEW_BLOCKS - len(blocks) - 3)
    turns = [BACK] * (page > 0) + [NEXT] * (page < pages - 1)
    for option in turns:
        blocks += b.actions([option], f"change:{view.id}:{page + (1 if option is NEXT else -1)}")
    if pages > 1:
        blocks.append(b.context(f"Page {page + 1} of {pages}"))
    return _modal(blocks[: b.VIEW_BLOCKS])


def _head(view: ChangeView) -> list[b.Block]:
    blocks = [b.section(f"*{clip(escape(view.title), 2000)}*\n{state_line(view)}")]
    if view.bounds:
        blocks.append(b.section(f"*Bounds that are approved with it*\n{bullets(view.bounds)}"))
    if told := [*grouped(view.losses), *view.warnings]:
        blocks += b.sections(bullets(told, "⚠️").split("\n"))
    about = f"{len(view.plan)} steps, about {span(view.expect_seconds)} in all" if view.plan else "no steps"
    digest = f"\nApproval covers exactly this plan: digest `{view.digest}`" if view.digest else ""
    return [*blocks, b.context(f"{about}{digest}"), b.DIVIDER]


def _notes(view: ChangeView, most: int) -> list[b.Block]:
    """What makes it sure, below the steps: no warning, nothing to decide by. `most` = blocks that are left."""
    if not view.notes:
        return []
    found = b.sections(["*How it is made sure*", *bullets(view.notes).split("\n")])
    return [b.DIVIDER, *found][: max(0, most)]


def _step(number: int, view: StepView, step: Step | None, numbers: dict[str, int]) -> str:
    line = f"*{number}.* {clip(escape(view.title or view.id), 600)}"
    if view.expect_seconds:
        line += f" · about {span(view.expect_seconds)}"
    small: list[str] = []
    if step is not None:
        after = sorted(numbers[n] for n in step.needs if n in numbers)
        small.append(f"after {_ranges(after)}" if after else "starts at once")
        small.append("can be undone" if step.undo else "no undo")
        small.append(f"`{escape(step.do)}`")
        if step.standing:
            small.append("stays on watch until its work is done")
    if view.commits:
        small.append("🔒 no way back after this")
    return line + (f"\n↳ _{' · '.join(small)}_" if small else "")


def _ranges(numbers: list[int]) -> str:
    """`1-4, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _modal(blocks: list[b.Block]) -> View:
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "The plan"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": blocks,
    }
