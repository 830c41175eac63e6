"""The documents against the code: what is configured, typed or called is told, and what is told is there."""

from __future__ import annotations

import ast
import itertools
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import boto3
import pytest
import yaml
from pydantic import AliasChoices, BaseModel

import commands  # noqa: F401 - declares the slash commands
from bot.act import Act, acting
from bot.actions import jobs
from bot.command import COMMANDS
from bot.errors import EstateError
from bot.estate import Estate
from bot.estate_file import parse_estate
from bot.evidence.templates import plain
from bot.facts.survey import stop_key
from bot.ports import JobSpec
from bot.sandbox.faults import KINDS
from bot.sandbox.hands import Hands
from bot.sandbox.main import _parser
from bot.sandbox.personas import CHANNELS, PERSONAS
from bot.sandbox.play.scenario import MODIFIERS, SHIPPED, VERBS, load
from bot.sandbox.slack import stand_in
from bot.settings import Settings
from bot.slack.app import READING
from bot.terminal import cli
from bot.world.kubernetes import KubernetesClusters

ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text()
ESTATE = (ROOT / "docs" / "estate.md").read_text()
SANDBOX = (ROOT / "docs" / "sandbox.md").read_text()
README = (ROOT / "README.md").read_text()
WRITTEN = {"README.md": README, **{p.name: p.read_text() for p in sorted((ROOT / "docs").glob("*.md"))}}
POLICY = json.loads((ROOT / "deploy" / "iam-policy.json").read_text())
ARCHIVE_POLICY = json.loads((ROOT / "deploy" / "archive-bucket-policy.json").read_text())

# boto3's name of every operation that bot/world calls, and the permission that AWS asks for it.
PERMISSIONS = {
    "cloudtrail lookup_events": "cloudtrail:LookupEvents",
    "cloudwatch get_metric_statistics": "cloudwatch:GetMetricStatistics",
    "ec2 create_network_acl_entry": "ec2:CreateNetworkAclEntry",
    "ec2 delete_network_acl_entry": "ec2:DeleteNetworkAclEntry",
    "ec2 describe_network_acls": "ec2:DescribeNetworkAcls",
    "eks describe_cluster": "eks:DescribeCluster", "eks describe_nodegroup": "eks:DescribeNodegroup",
    "eks update_nodegroup_config": "eks:UpdateNodegroupConfig",
    "logs filter_log_events": "logs:FilterLogEvents",
    "rds describe_db_clusters": "rds:DescribeDBClusters",
    "rds describe_db_instances": "rds:DescribeDBInstances",
    "rds describe_global_clusters": "rds:DescribeGlobalClusters",
    "rds failover_global_cluster": "rds:FailoverGlobalCluster",
    "rds remove_from_global_cluster": "rds:RemoveFromGlobalCluster",
    "rds switchover_global_cluster": "rds:SwitchoverGlobalCluster",
    "route53 change_resource_record_sets": "route53:ChangeResourceRecordSets",
    "route53 get_change": "route53:GetChange",
    "route53 list_resource_record_sets": "route53:ListResourceRecordSets",
    "route53-recovery-cluster get_routing_control_state": "route53-recovery-cluster:GetRoutingControlState",
    "route53-recovery-cluster update_routing_control_states": "route53-recovery-cluster:UpdateRoutingControlStates",
    "s3 delete_object": "s3:DeleteObject", "s3 list_objects_v2": "s3:ListBucket", "s3 put_object": "s3:PutObject",
}  # fmt: skip
# The same for the trail's own clients, which pass no register.
TRAIL = {
    "kms get_public_key": ["kms:GetPublicKey"], "kms sign": ["kms:Sign"],
    "s3 get_bucket_versioning": ["s3:GetBucketVersioning"],
    "s3 get_object": ["s3:GetObject", "s3:GetObjectVersion"],
    "s3 get_object_lock_configuration": ["s3:GetBucketObjectLockConfiguration"],
    "s3 get_object_retention": ["s3:GetObjectRetention"],
    "s3 head_bucket": ["s3:ListBucket"],
    "s3 list_object_versions": ["s3:ListBucketVersions"],
    "s3 put_object": ["s3:PutObject"],
}  # fmt: skip
# Asked by what stands before a change, not by a call of its own.
ASSUMED = ("sts:AssumeRole", "sts:SetSourceIdentity")


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """Every table row below `heading`, by its first cell without backticks."""
    found = {}
    for line in text.split(f"\n{heading}", 1)[1].split("\n## ", 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `"):
            found[cells[0].strip("`")] = cells[1:]
    return found


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def environment(name: str, alias: object) -> str:
    """The environment variable of a setting."""
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"SIGNALBOX_{name.upper()}"


def test_every_setting_is_told_with_its_default() -> None:
    """The table of settings holds exactly what the environment can set, and the defaults of the code."""
    told = rows(OPERATING, "## 4. Settings")
    expected = {
        environment(name, field.validation_alias): "unset" if field.default is None else f"`{field.default}`"
        for name, field in Settings.model_fields.items()
    }

    assert {name: cells[0] for name, cells in told.items()} == expected


def parts(kind: Any, path: str) -> Iterator[str]:
    """Paths of every field below a type: `*` for names, `[]` for items."""
    origin, inside = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            here = f"{path}.{name}".strip(".")
            yield here
            yield from parts(field.annotation, here)
    elif origin is Annotated:
        yield from parts(inside[0], path)
    elif origin in (Union, types.UnionType):
        for one in inside:
            yield from parts(one, path)
    elif origin is dict:
        yield from parts(inside[1], f"{path}.*")
    elif origin is tuple:
        yield from parts(inside[0], f"{path}[]")


def test_every_field_of_the_estate_is_told() -> None:
    """Each field has a row with its whole path; sections stand for their own fields; nothing else is told."""
    told = set(rows(ESTATE, "## Fields"))
    fields = set(parts(Estate, ""))
    sections = {"dns", "checks", "metrics", "slack"}

    assert told == fields - sections
    assert all(f"### `{name}`" in ESTATE or f"`{name}`" in ESTATE for name in sections)


def test_the_estates_example_is_good_and_its_mistakes_are_the_codes_own() -> None:
    """What the document shows can be pasted, and complaints look as it says."""
    (example,) = blocks(ESTATE, "yaml")
    estate = parse_estate(example.encode())
    with pytest.raises(EstateError) as caught:
        parse_estate(example.replace("rto_seconds", "rto_second").encode())

    assert set(estate.services) == {"checkout"}
    assert all(": ".join(line.split(": ")[1:]) in ESTATE for line in caught.value.what.splitlines())


def test_every_fault_is_told() -> None:
    """Kinds and the parameters that they need."""
    told = rows(SANDBOX, "## Faults")

    assert set(told) == set(KINDS)
    for kind, needed in KINDS.items():
        assert all(f"`{name}`" in told[kind][0].split("[")[0] for name in needed), kind


def test_everything_that_is_done_by_hand_is_told() -> None:
    """What a scenario may let somebody do past the bot."""
    assert set(rows(SANDBOX, "## By hand")) == set(Hands({}, {}).doings)


def test_every_command_is_told() -> None:
    """Slash commands and those of the command line."""
    typed = [name for name in cli.app if not name.startswith("-")]

    assert {
        "serve",
        "run",
        "follow",
        "questions",
        "decide",
        "recover",
        "verify",
        "corroborate",
        "evidence",
        "audit",
        "doctor",
        "manifest",
        "estate",
        "sandbox",
    } == set(typed)
    assert all(f"`signalbox {name}" in OPERATING for name in typed)
    assert all(f"`{name}`" in OPERATING for name in COMMANDS)
    assert all(f"`{name}" in README for name in COMMANDS)


def test_every_command_can_be_typed_in_the_sandbox() -> None:
    """Its Slack knows the commands that the app's manifest declares; those that only read say nothing of Regions."""
    assert {known.command for known in stand_in.COMMANDS} == set(COMMANDS)
    assert {*READING, "/failover"} == set(COMMANDS)


def test_the_sandbox_is_told() -> None:
    """Options, people, channels, endpoints, scenarios and their words."""
    console = (ROOT / "bot" / "sandbox" / "console.py").read_text()
    options = [
        o for a in _parser()._actions for o in a.option_strings if o.startswith("--") and o != "--help"
    ]
    routes = re.findall(r'web\.(get|post|delete)\("(/control/[^"]+)"', console)

    assert routes
    assert all(f"`{method.upper()} {path}" in SANDBOX for method, path in routes)
    assert set(rows(SANDBOX, "## Options")) == set(options)
    assert all(f"`{name}`" in SANDBOX for name in [*PERSONAS, *CHANNELS])
    assert all(f"`{path.stem}`" in SANDBOX and f"{path.name}`" in SANDBOX for path in SHIPPED.glob("*.yaml"))
    assert all(f"`{verb}: " in SANDBOX or f", `{verb}: " in SANDBOX for verb in VERBS)
    assert all(f"`{word}" in SANDBOX for word in MODIFIERS)


def test_the_example_scenario_can_be_played(tmp_path: Path) -> None:
    """The player reads what the document shows."""
    path = tmp_path / "mine.yaml"
    path.write_text(*blocks(SANDBOX, "yaml"))

    assert len(load(str(path)).steps) > 5


def operations() -> set[str]:
    """Service and operation of every `call(service, region, operation)` in bot/world."""
    found = set()
    for path in (ROOT / "bot" / "world").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("aws.call"):
                service, _, operation = node.args
                assert isinstance(service, ast.Constant), f"{path.name}:{node.lineno}"
                assert isinstance(operation, ast.Constant), f"{path.name}:{node.lineno}"
                found.add(" ".join([str(service.value), str(operation.value)]))
    return found


def trail_operations() -> set[str]:
    """Service and operation of what the trail's clients call: whatever is named like an operation of the service."""
    found = set()
    for service, name in (("s3", "vault"), ("kms", "signing")):
        operations = boto3.Session().client(service, region_name="us-east-2").meta.method_to_api_mapping
        words = set(
            re.findall(r"(?:_client\.|\")([a-z_]+)", (ROOT / "bot" / "world" / f"{name}.py").read_text())
        )
        found |= {f"{service} {word}" for word in words & set(operations)}
    return found


def test_the_iam_policy_allows_what_is_called_and_no_more() -> None:
    """A call that is new in bot/world must be named here and in the policy; one that is gone leaves both."""
    allowed = [action for s in POLICY["Statement"] if s["Effect"] == "Allow" for action in s["Action"]]
    wanted = [*PERMISSIONS.values(), *ASSUMED, *itertools.chain(*TRAIL.values())]

    assert operations() == set(PERMISSIONS)
    assert trail_operations() == set(TRAIL)
    assert sorted(allowed) == sorted(wanted)
    assert all(f"`{statement['Sid']}`" in OPERATING for statement in POLICY["Statement"])


def test_nobody_who_moves_production_can_weaken_the_archive() -> None:
    """Signalbox's role is denied it, and so is everybody by the bucket; what is allowed is the same in both."""
    [denied] = [s for s in POLICY["Statement"] if s["Effect"] == "Deny"]
    bucket = {s["Sid"]: s for s in ARCHIVE_POLICY["Statement"]}
    both = {
        "s3:BypassGovernanceRetention",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutObjectRetention",
    }

    assert both < set(denied["Action"])
    assert both == set(bucket["NeverRemove"]["Action"])
    assert bucket["NeverRemove"]["Principal"] == bucket["StoreOnceOnly"]["Principal"] == "*"
    assert bucket["StoreOnceOnly"]["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    for statement in POLICY["Statement"]:
        if statement["Sid"] in ("KeepTrail", "ReadTrail", "SeeTrail"):
            there = bucket[statement["Sid"]]
            assert (there["Action"], there["Resource"]) == (statement["Action"], statement["Resource"])


def test_stop_objects_are_where_the_documents_say() -> None:
    """Each lies in the other Region's bucket, in the policy as in the table of health checks."""
    for region, keeper in (("us-east-1", "us-west-2"), ("us-west-2", "us-east-1")):
        bucket = f"fintech-stop-{keeper}"

        assert f"https://{bucket}.s3.{keeper}.amazonaws.com/{stop_key(region)}`" in OPERATING
        assert f"arn:aws:s3:::{bucket}/{stop_key(region)}" in json.dumps(POLICY)


class Requests:
    """An API server's transport: notes what is asked and answers as a small cluster would."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, str]] = set()

    def client(self, _region: str) -> Requests:
        return self

    def param_serialize(self, method: str, path: str, **_: Any) -> tuple[str, str]:
        return method, path

    def call_api(self, method: str, path: str, **_: Any) -> Any:
        words = path.strip("/").split("/")
        group = "" if words[0] == "api" else words[1]
        words = words[2:] if words[0] == "api" else words[3:]
        kind, *rest = words[2:] if words[0] == "namespaces" else words
        verb = {"GET": "get" if rest else "list", "POST": "create"}.get(method, method.lower())
        self.seen.add((group, "/".join([kind, *rest[1:]]), verb))
        return types.SimpleNamespace(status=200, read=lambda: json.dumps(ANSWERS.get(kind, {})).encode())


META = {"name": "web", "namespace": "production"}
ANSWERS: dict[str, dict[str, Any]] = {
    "deployments": {"spec": {"replicas": 1, "template": {"metadata": {}}}},
    "horizontalpodautoscalers": {
        "items": [{"metadata": META, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}]
    },
    "pods": {"items": [{"metadata": META}]},
    "jobs": {"status": {"conditions": [{"type": "Complete", "status": "True"}]}},
    "appprojects": {"spec": {"syncWindows": []}},
}


def test_the_clusters_roles_allow_what_is_asked_and_no_more() -> None:
    """Every method that the bot has for clusters, and the verbs of deploy/rbac.yaml."""
    requests = Requests()
    clusters = KubernetesClusters(requests)  # type: ignore[arg-type]
    region, place = "us-west-2", ("production", "web")
    probe = JobSpec(*place, image="psql", secret="db", secret_key="url", sql=("SELECT 1",))
    asked: dict[str, tuple[Any, ...]] = {
        "workloads": (["production"],), "nodes_ready": (), "pending": (["production"],), "scale": (*place, 3),
        "set_minimum": (*place, 3), "restart": (*place, "now"), "job": place, "run_job": (probe,),
        "remove_job": place, "sync_windows": (), "out_of_sync": (), "set_sync_windows": ([{"kind": "deny"}],),
    }  # fmt: skip
    for method, arguments in asked.items():
        getattr(clusters, method)(region, *arguments)
    manifests = list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
    allowed = {
        asking
        for manifest in manifests
        for rule in manifest.get("rules", [])
        for asking in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }
    methods = {name for name in vars(KubernetesClusters) if not name.startswith("_")}

    assert requests.seen == allowed
    # Whoever has a token may ask for the version.
    assert methods == asked.keys() | {"reachable"}
    for manifest in manifests:
        if "roleRef" in manifest:
            role = manifest["roleRef"]
            assert any((m["kind"], m["metadata"]["name"]) == (role["kind"], role["name"]) for m in manifests)
            assert f"| `{role['name']}` |" in OPERATING


def test_the_probes_tables_are_as_the_probes_write_them() -> None:
    """The SQL that an owner pastes has the columns that the probes name."""
    (sql,) = blocks(OPERATING, "sql")
    with acting(Act(person="U0000ONCALL", run="run-1", step="writes")):
        insert = jobs.insert("us-west-2")
    columns = re.findall(r"\w+", insert.split("(", 1)[1].split(")", 1)[0])
    tables = dict(re.findall(r"CREATE TABLE (signalbox\.\w+) \((.*)\);", sql))
    heartbeat = jobs.newest_heartbeat("signalbox.heartbeat", "us-east-1")

    assert columns == [column.split()[0] for column in tables["signalbox.probe"].split(", ")]
    assert {c.split()[0] for c in tables["signalbox.heartbeat"].split(", ")} == {"at", "region"}
    assert "max(at)" in heartbeat
    assert "WHERE region =" in heartbeat


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_every_path_and_target_in_a_document_exists(name: str) -> None:
    """Links lead somewhere, and so do paths of this repository in backticks and targets of make."""
    text, home = WRITTEN[name], ROOT if name == "README.md" else ROOT / "docs"
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    quoted = re.findall(r"`((?:bot|commands|runbooks|tests|docs|deploy|requirements)/[\w./-]*)`", text)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [link for link in links if not (home / link).exists()] == []
    assert [path for path in quoted if not (ROOT / path).exists()] == []
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= set(targets)


def test_the_format_that_auditors_get_is_the_one_that_is_told() -> None:
    """A pack holds the page, for those who have nothing but the pack."""
    assert plain("trail-format.md") == (ROOT / "docs" / "trail-format.md").read_bytes()
