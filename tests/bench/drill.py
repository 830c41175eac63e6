"""The case's sequential shell drill beside our failover: the same sandbox, the same fault, the same bench run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from bot.sandbox.kubernetes.estate import manifests
from bot.sandbox.net.dns import SERVERS
from tests.bench.figures import Detail, Figure, Form, seconds
from tests.bench.night import DARK, TARGET, Night, darken, play, served
from tests.bench.sandbox import ROOT, Broken, Sandbox, sandbox
from tests.bench.sequential_drill import Place
from tests.bench.tls import tls_before

TARGET_RATIO = 2.0
_WITHIN_SECONDS = 1800.0
_APPLIED = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")


def measure(folder: Path, form: Form) -> list[Figure]:
    """Play both, one after the other. The target is judged at speed 1 only."""
    if shutil.which("kubectl") is None:
        return [Figure("The case's sequential drill", "not measured: there is no kubectl here")]
    night = play(folder, form.speed)
    with sandbox(folder / "drill", speed=form.speed) as here:
        stages, again = _drill(here, folder, form.speed)
    whole = sum(stage["seconds"] for stage in stages)
    ours = night.proven - night.asked
    customers = night.served - night.asked
    return [
        Figure(
            "The case's sequential drill, to its payment verified",
            seconds(whole),
            f"≥ {TARGET_RATIO:g} × ours",
            whole >= TARGET_RATIO * ours if form.speed == 1 else None,
            f"{seconds(ours)} ours",
            whole / ours,
            how=f"the drill as a script of kubectl and AWS calls, in a fresh sandbox with the same fault, at speed"
            f" {form.speed:g}. Ours: from the command until everything was seen that the drill sees: nodes and"
            " services at their size, name servers, smoke tests, a payment. The drill fences nothing",
            detail=_table(stages, whole),
        ),
        Figure(
            "The case's sequential drill, to customers served",
            seconds(again),
            floor=f"{seconds(customers)} ours",
            ratio=again / customers,
            how="the same two runs, seen from the customers' side; ours from the command, the drill's from its"
            f" first line, both 10 s after the fault. Ours had settled after {_settled(night)}",
        ),
    ]


def _settled(night: Night) -> str:
    return f"{seconds(night.settled - night.asked)}, with minimums back at rest"


def _table(stages: list[dict[str, Any]], whole: float) -> Detail:
    rows = [
        (stage["stage"], seconds(stage["seconds"]), f"{stage['seconds'] / whole:.0%}", stage["waits"])
        for stage in stages
    ]
    total = ("together", seconds(whole), "100%", "")
    return Detail("What the sequential drill waits for", ("Stage", "Took", "Share", "Waits"), (*rows, total))


def _drill(here: Sandbox, folder: Path, speed: float) -> tuple[list[dict[str, Any]], float]:
    """Its stages, and the seconds from its first line until customers were served."""
    told = here.get("sandbox")
    estate = yaml.safe_load((here.state / "estate.yaml").read_text())
    config = yaml.safe_load((here.state / f"kubeconfig-{TARGET}.yaml").read_text())
    port = int(told["clusters"][TARGET]["server"].rpartition(":")[2])
    with tls_before(port, folder) as url:
        config["clusters"][0]["cluster"] = {"server": url, "insecure-skip-tls-verify": True}
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        place = Place(
            estate=estate,
            dark=DARK,
            target=TARGET,
            aws=told["aws"],
            dns_port=int(told["dns"].rpartition(":")[2]),
            servers=[SERVERS[name] for name in estate["dns"]["name_servers"]],
            kubeconfig=str(folder / "kubeconfig"),
            manifests=str(_checkout(estate, folder / "manifests")),
            speed=speed,
        )
        (folder / "place.json").write_text(json.dumps(asdict(place)))
        darken(here, speed)
        began = float(here.get("clock")["now"])
        stages = _run(folder / "place.json", speed)
        again, _ = served(here, speed, began)
    return stages, again - began


def _run(place: Path, speed: float) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.bench.sequential_drill", str(place)]
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_WITHIN_SECONDS / speed + 60,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Broken(f"the drill did not end: {error.stdout!r}") from error
    if ended.returncode:
        raise Broken(f"the drill broke: {ended.stdout[-500:]} {ended.stderr[-2000:]}")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def _checkout(estate: dict[str, Any], folder: Path) -> Path:
    """`manifests/production/` as Git has it for the Region that serves."""
    folder.mkdir()
    for manifest in manifests(estate, TARGET, primary=True):
        if manifest["kind"] in _APPLIED:
            meta = manifest["metadata"]
            name = f"{manifest['kind']}-{meta['namespace']}-{meta['name']}.yaml".lower()
            (folder / name).write_text(yaml.safe_dump(manifest))
    return folder
