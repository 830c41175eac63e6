"""What a container is given, and what the rest of the sandbox sees of a pod."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.meta import Obj, labels
from bot.sandbox.kubernetes.store import Store

_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


@dataclass(frozen=True)
class PodView:
    """A ready pod. `env` is what its first container was started with; `started_at` is simulated time."""

    name: str
    labels: Mapping[str, str]
    started_at: float
    version: str
    env: Mapping[str, str]


@dataclass(frozen=True)
class ContainerRun:
    """A Job's container about to run; env holds values, $(VAR) in command and args is expanded."""

    namespace: str
    pod: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True)
class ContainerResult:
    """How it ended; the message becomes the pod's termination message (4,096 bytes at most) and its log."""

    exit_code: int
    message: str = ""


class MissingReferenceError(LookupError):
    """A Secret or ConfigMap that a container needs is not there: it cannot be created."""


def env_of(store: Store, namespace: str, container: Obj, pod: Obj) -> dict[str, str]:
    """The container's environment, references resolved. Raises MissingReferenceError."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for field, kind in (("secretRef", kinds.SECRET), ("configMapRef", kinds.CONFIG_MAP)):
            if ref := source.get(field):
                env |= _data(store, kind, namespace, ref)
    for entry in container.get("env") or []:
        if "value" in entry or "valueFrom" not in entry:
            env[entry["name"]] = expand(str(entry.get("value") or ""), env)
        elif (value := _value_from(store, namespace, entry["valueFrom"], pod)) is not None:
            env[entry["name"]] = value
    return env


def run_of(store: Store, pod: Obj) -> ContainerRun:
    """The run of a pod's first container. Raises MissingReferenceError."""
    namespace, container = pod["metadata"]["namespace"], pod["spec"]["containers"][0]
    env = env_of(store, namespace, container, pod)
    return ContainerRun(
        namespace=namespace,
        pod=pod["metadata"]["name"],
        image=container["image"],
        command=tuple(expand(word, env) for word in container.get("command") or []),
        args=tuple(expand(word, env) for word in container.get("args") or []),
        env=env,
    )


def view_of(pod: Obj, started_at: float, env: Mapping[str, str]) -> PodView:
    """What the rest of the sandbox sees."""
    image = str(pod["spec"]["containers"][0].get("image", ""))
    version = labels(pod).get("version") or image.rpartition("/")[2].partition(":")[2]
    return PodView(pod["metadata"]["name"], labels(pod), started_at, version, env)


def expand(text: str, env: Mapping[str, str]) -> str:
    """$(VAR) replaced; an unknown one stays as it is and $$ is a dollar sign, as in Kubernetes."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else env.get(found[1], found[0])

    return _VARIABLE.sub(value, text)


def _value_from(store: Store, namespace: str, source: Obj, pod: Obj) -> str | None:
    for field, kind in (("secretKeyRef", kinds.SECRET), ("configMapKeyRef", kinds.CONFIG_MAP)):
        if not (ref := source.get(field)):
            continue
        data = _data(store, kind, namespace, ref)
        if ref["key"] in data:
            return data[ref["key"]]
        if ref.get("optional"):
            return None
        raise MissingReferenceError(
            f"couldn't find key {ref['key']} in {kind.name} {namespace}/{ref.get('name')}"
        )
    reads: dict[str, Callable[[], str]] = {
        "metadata.name": lambda: pod["metadata"]["name"],
        "metadata.namespace": lambda: namespace,
        "spec.nodeName": lambda: pod["spec"].get("nodeName", ""),
    }
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    return reads[path]() if path in reads else None


def _data(store: Store, kind: kinds.Kind, namespace: str, ref: Obj) -> dict[str, str]:
    found = store.get(kind, namespace, ref.get("name", ""))
    if found is None:
        if ref.get("optional"):
            return {}
        raise MissingReferenceError(f'{kind.name.lower()} "{ref.get("name")}" not found')
    data = found.get("data") or {}
    if kind != kinds.SECRET:
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
