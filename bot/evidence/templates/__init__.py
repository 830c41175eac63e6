"""Texts and pages with holes in them. Everything put into a page is escaped; nothing can be said there as markup."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Where the templates come from; a name that is not given is an error, not a blank."""
    return Environment(
        loader=PackageLoader("bot.evidence", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def visible(value: Any) -> Any:
    """Characters that show nothing, or turn the text around them, are named by their number."""
    if type(value) is not str:
        return value
    return "".join(
        f"[U+{ord(one):04X}]"
        if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") and one not in "\n\t"
        else one
        for one in value
    )


def render(name: str, **given: Any) -> bytes:
    """The template with what was given, UTF-8."""
    return environment().get_template(name).render(**given).encode()


def plain(name: str) -> bytes:
    """A text without holes, as it lies in the package. Raises FileNotFoundError."""
    return files(__name__).joinpath(name).read_bytes()
