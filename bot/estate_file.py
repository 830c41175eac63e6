"""Reads `estate.yaml`; every complaint names the file, the line, the field and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bot.canon import NotCanonical
from bot.errors import EstateError
from bot.estate import Estate

_LARGEST_BYTES = 2 * 1024 * 1024


def read_estate(path: Path) -> Estate:
    """The estate in this file. Raises EstateError with all complaints, one a line."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EstateError(
            f"{path}: cannot be read: {error.strerror}.", then="Set SIGNALBOX_ESTATE to its path."
        ) from error
    return parse_estate(raw, str(path))


def parse_estate(raw: bytes, name: str = "estate.yaml") -> Estate:
    """The estate in these bytes. Raises EstateError."""
    if len(raw) > _LARGEST_BYTES:
        raise EstateError(f"{name}: larger than {_LARGEST_BYTES} bytes.")
    try:
        root = yaml.compose(raw, Loader=yaml.SafeLoader)
        data = yaml.load(raw, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EstateError(
            f"{name}:{line}: not valid YAML: {error.problem}.", then="Correct this line."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise EstateError(f"{name}:1: not valid YAML: {error}.", then="Correct the file.") from error
    if not isinstance(data, dict):
        raise EstateError(f"{name}:1: must be a mapping with `estate:`, `regions:`, …")
    try:
        estate = Estate.model_validate(data)
        _ = estate.digest
        return estate
    except NotCanonical as error:
        raise EstateError(
            f"{name}:1: names are written in ASCII: {error}.", then="Correct the name."
        ) from error
    except ValidationError as error:
        lines = [line for e in error.errors() for line in _complaints(name, root, dict(e))]
        raise EstateError("\n".join(lines), then=f"{len(lines)} to correct.") from error


class _UniqueKeys(yaml.SafeLoader):
    """A SafeLoader that refuses the same key twice: YAML keeps the last silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _complaints(name: str, root: yaml.Node | None, error: dict[str, Any]) -> list[str]:
    if error["loc"]:
        return [_complaint(name, root, error)]
    # What does not agree across the file comes as one error with a line for each, `path: what`.
    found = []
    for text in str(error["msg"]).removeprefix("Value error, ").splitlines():
        path, _, what = text.partition(": ")
        found.append(f"{name}:{_line(root, path.split('.'))}: {path}: {what} (correct it)")
    return found


def _line(root: yaml.Node | None, path: list[Any]) -> int:
    line, node = 1, root
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _complaint(name: str, root: yaml.Node | None, error: dict[str, Any]) -> str:
    path = [part for part in error["loc"] if part != "[key]"]
    line = _line(root, path)
    field = ".".join(str(p) for p in path)
    fix = {
        "missing": "add it",
        "extra_forbidden": "remove it, or correct its spelling",
        "value_error": "correct it",
    }.get(error["type"], f"found {str(error.get('input'))[:60]!r}")
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}:{line}: {field}: {message} ({fix})"


def _child(node: yaml.Node | None, part: object) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
