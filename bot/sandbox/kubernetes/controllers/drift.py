"""Where a live object differs from what Git says, and how Git's say is laid over it."""

from __future__ import annotations

from typing import Any

from bot.sandbox.kubernetes.meta import Obj, copied

_OURS = ("labels", "annotations")
Path = tuple[str, ...]


def ignored(app: Obj, manifest: Obj) -> list[Path]:
    """JSON pointers that the application's ignoreDifferences name for this object."""
    found: list[Path] = []
    group = manifest["apiVersion"].rpartition("/")[0]
    for rule in app["spec"].get("ignoreDifferences") or []:
        same = rule.get("kind") == manifest["kind"] and rule.get("group", "") == group
        named = rule.get("name") in (None, "", manifest["metadata"]["name"])
        if same and named:
            found += [tuple(pointer.strip("/").split("/")) for pointer in rule.get("jsonPointers") or []]
    return found


def differs(wanted: Obj, live: Obj, skip: list[Path]) -> bool:
    """Whether a field that Git names has another value; fields Git leaves out are nobody's business."""
    for key, value in wanted.items():
        if key in ("apiVersion", "kind", "status", "stringData"):
            continue
        if key == "metadata":
            value = {k: v for k, v in value.items() if k in _OURS}
        if _differs(value, live.get(key), (key,), skip):
            return True
    return False


def lay(live: Obj, wanted: Obj, keep: list[Path]) -> None:
    """Write Git's fields into the live object, in place, except those to keep."""
    for key, value in wanted.items():
        if key in ("apiVersion", "kind", "status"):
            continue
        if key == "metadata":
            value = {k: v for k, v in value.items() if k in _OURS}
        live[key] = _laid(live.get(key), value, (key,), keep)


def _differs(wanted: Any, live: Any, path: Path, skip: list[Path]) -> bool:
    if path in skip:
        return False
    if isinstance(wanted, dict):
        have = live if isinstance(live, dict) else {}
        return any(_differs(v, have.get(k), (*path, k), skip) for k, v in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) != len(wanted):
            return bool(wanted) or bool(live)
        pairs = enumerate(zip(wanted, live, strict=True))
        return any(_differs(w, h, (*path, str(n)), skip) for n, (w, h) in pairs)
    return bool(wanted != live)


def _laid(live: Any, wanted: Any, path: Path, keep: list[Path]) -> Any:
    if path in keep and live is not None:
        return live
    if isinstance(wanted, dict):
        have = live if isinstance(live, dict) else {}
        return have | {k: _laid(have.get(k), v, (*path, k), keep) for k, v in wanted.items()}
    if isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        pairs = enumerate(zip(live, wanted, strict=True))
        return [_laid(h, w, (*path, str(n)), keep) for n, (h, w) in pairs]
    return copied(wanted)
