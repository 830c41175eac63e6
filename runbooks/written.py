"""Where each database is written already, and whether the Region that is left is known not to write it too."""

from __future__ import annotations

from bot.estate import Estate
from bot.facts.survey import DatabaseSeen, Survey


def moved(estate: Estate, survey: Survey, to: str) -> tuple[str, ...]:
    """Databases at rest that the target writes and the other Region's cluster is seen to follow.

    The target's own word is not enough: a cluster that was left behind by a detached one still calls itself
    the writer.
    """
    old = estate.other(to)
    return tuple(
        name
        for name in estate.databases
        if (seen := survey.databases[name]) and _written(seen, to) and _follows(seen, old)
    )


def apart(estate: Estate, survey: Survey, to: str) -> tuple[str, ...]:
    """Databases that the target can write by itself while the other Region may write its own cluster too."""
    old = estate.other(to)
    found = []
    for name in estate.databases:
        seen = survey.databases[name]
        view = seen.views.get(to)
        alone = view is not None and view.member(to) is None and to in seen.clusters
        if alone or (_written(seen, to) and not _follows(seen, old)):
            found.append(name)
    return tuple(found)


def _written(seen: DatabaseSeen, region: str) -> bool:
    view = seen.view(region)
    return bool(view and not view.moving and view.writer and view.writer.region == region)


def _follows(seen: DatabaseSeen, region: str) -> bool:
    """Whether a view shows the Region's cluster as a member that does not write, and none as one that does."""
    members = [member for view in seen.views.values() if (member := view.member(region)) is not None]
    return bool(members) and not any(member.writer for member in members)
