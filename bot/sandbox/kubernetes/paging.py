"""Lists in pages: tokens that say where the next one begins."""

from __future__ import annotations

import base64

import orjson

from bot.sandbox.kubernetes.errors import bad_request, expired
from bot.sandbox.kubernetes.meta import Obj, key_of
from bot.sandbox.kubernetes.store import Store

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned and now "
    "may show up in the list."
)


def page(store: Store, chosen: list[Obj], limit: int, token: str) -> tuple[list[Obj], Obj]:
    """One page of sorted objects and the list's metadata; a limit of 0 means all.

    Raises 400 for a broken token, and 410, with a token to go on with, for one from before a compaction.
    """
    if token:
        version, last = _position(token)
        if store.since(version) is None:
            raise expired(_TOO_OLD, _token(store.version, last))
        chosen = [obj for obj in chosen if key_of(obj) > last]
    found = chosen[:limit] if limit else chosen
    meta: Obj = {"resourceVersion": str(store.version)}
    if left := len(chosen) - len(found):
        meta["continue"] = _token(store.version, key_of(found[-1]))
        meta["remainingItemCount"] = left
    return found, meta


def _token(version: int, last: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([version, *last])).decode()


def _position(token: str) -> tuple[int, tuple[str, str]]:
    """Version of the first page, and the key of the last object told."""
    try:
        version, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid: illegal base64 data") from error
    return int(version), (namespace, name)
