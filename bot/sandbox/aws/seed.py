"""Plant the estate: everything that the case's company already has in AWS."""

from __future__ import annotations

import json
from typing import Any

from moto.core.parse import XFormedDict
from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.rds.models import rds_backends
from moto.s3.models import s3_backends

from bot.sandbox.aws.cloud import ACCOUNT, NAME_SERVERS, Cloud
from bot.sandbox.aws.ec2 import add_rule, deny_rest
from bot.sandbox.aws.kms import create_edwards
from bot.sandbox.aws.rds_global import GlobalCluster

INSTANCE_CLASS = "db.r6g.2xlarge"
TRAIL_BUCKET, TRAIL_REGION, TRAIL_DAYS = "signalbox-trail", "us-east-2", 400
KEY_ALIAS = "alias/signalbox-trail"
ROLE = "signalbox"
_SECOND_OCTET = {"us-east-1": 10, "us-west-2": 20}


def plant(cloud: Cloud, estate: dict[str, Any], *, arc: str | None = None) -> dict[str, Any]:
    """Create all of it at once, as if it had been there for years. Returns the ids that only AWS gives.

    With `arc`, the stand-in's URL, routing controls take customers off a Region instead of STOP objects.
    """
    subnets, acls = {}, {}
    for number, (region, one) in enumerate(estate["regions"].items()):
        subnets[region], acls[region] = _network(region, _SECOND_OCTET.get(region, 30 + number))
        cloud.database_subnets[region] = subnets[region]
        _cluster(cloud, region, one, subnets[region])
        s3_backends[ACCOUNT]["aws"].create_bucket(one["stop_bucket"], region)
    for database in estate["databases"].values():
        _global_database(cloud, database)
    routing = cloud.routing.plant(list(estate["regions"]), arc) if arc else None
    zone_id, checks = _zone(cloud, estate, routing["controls"] if routing else None)
    _trail_bucket()
    return {
        "zone_id": zone_id,
        "name_servers": list(NAME_SERVERS),
        "health_checks": checks,
        "subnets": subnets,
        "network_acls": acls,
        "trail_bucket": TRAIL_BUCKET,
        "trail_region": TRAIL_REGION,
        "kms_key": _signing_key(),
        "role_arn": _role(),
        "routing": routing,
    }


def _network(region: str, octet: int) -> tuple[list[str], str]:
    backend = ec2_backends[ACCOUNT][region]
    vpc = backend.create_vpc(f"10.{octet}.0.0/16", tags=[{"Key": "Name", "Value": "fintech-prod"}])
    subnets = [
        backend.create_subnet(
            vpc.id, f"10.{octet}.{20 + number}.0/24", availability_zone=f"{region}{zone}"
        ).id
        for number, zone in enumerate("abc")
    ]
    acl = backend.create_network_acl(vpc.id, tags=[{"Key": "Name", "Value": "fintech-prod-database"}])
    for egress in (True, False):
        add_rule(backend, acl.id, 100, "allow", "0.0.0.0/0", egress=egress)
    deny_rest(backend, acl.id)
    for association in [
        key
        for other in backend.network_acls.values()
        for key, found in other._associations.items()
        if found.subnet_id in subnets
    ]:
        backend.replace_network_acl_association(association, acl.id)
    return subnets, acl.id


def _cluster(cloud: Cloud, region: str, one: dict[str, Any], subnets: list[str]) -> None:
    backend = eks_backends[ACCOUNT][region]
    role = f"arn:aws:iam::{ACCOUNT}:role/eks"
    backend.create_cluster(one["cluster"], role, {"subnetIds": subnets}, version="1.33")
    for name, group in one["node_groups"].items():
        scaling = {"minSize": group["min"], "maxSize": group["max"], "desiredSize": group["desired"]}
        backend.create_nodegroup(
            cluster_name=one["cluster"],
            node_role=role,
            nodegroup_name=name,
            subnets=subnets,
            scaling_config=scaling,
            instance_types=[group["instance_type"]],
            version="1.33",
        )
        cloud.nodegroups.adopt((region, one["cluster"], name))


def _global_database(cloud: Cloud, database: dict[str, Any]) -> None:
    version = str(database["engine_version"])
    cloud.globals.create(GlobalCluster(database["global_cluster"], "aurora-postgresql", version))
    for region, name in database["clusters"].items():
        backend = rds_backends[ACCOUNT][region]
        cluster = backend.create_db_cluster(
            XFormedDict(
                {
                    "DBClusterIdentifier": name,
                    "Engine": "aurora-postgresql",
                    "EngineVersion": version,
                    "GlobalClusterIdentifier": database["global_cluster"],
                    "StorageEncrypted": True,
                }
            )
        )
        cloud.globals.join(database["global_cluster"], cluster.db_cluster_arn)
        cluster.status = "available"
        for number in (1, 2):
            backend.create_db_instance(
                XFormedDict(
                    {
                        "DBInstanceIdentifier": f"{name}-{number}",
                        "DBInstanceClass": INSTANCE_CLASS,
                        "Engine": "aurora-postgresql",
                        "EngineVersion": version,
                        "DBClusterIdentifier": name,
                    }
                )
            )


def _zone(
    cloud: Cloud, estate: dict[str, Any], controls: dict[str, str] | None
) -> tuple[str, dict[str, dict[str, str]]]:
    """Give each name a weighted record per Region, each with a STOP health check in the OTHER Region.

    With routing controls each follows that of its own Region instead.

    The standby has weight 0: it answers when the primary is stopped, or when a planned move shifts weights.
    """
    zone, _ = cloud.zones.create(estate["dns"]["zone"], "signalbox-sandbox", "the case's estate")
    checks: dict[str, dict[str, str]] = {}
    changes = []
    regions = list(estate["regions"])
    for wanted in estate["dns"]["records"]:
        name = wanted["name"]
        checks[name] = {}
        for region in regions:
            other = next(r for r in regions if r != region)
            bucket = estate["regions"][other]["stop_bucket"]
            config = _control_check(controls[region]) if controls else _stop_check(bucket, other, region)
            check = cloud.health.create(f"{name}/{region}", config)
            checks[name][region] = check["Id"]
            record = {
                "Name": name,
                "Type": "A",
                "SetIdentifier": region,
                "Weight": 100 if region == regions[0] else 0,
                "TTL": wanted["ttl_seconds"],
                "ResourceRecords": [{"Value": estate["regions"][region]["ingress"]["address"]}],
                "HealthCheckId": check["Id"],
            }
            changes.append({"Action": "CREATE", "ResourceRecordSet": record})
    cloud.zones.seed(zone, changes)
    return zone.id, checks


def _stop_check(bucket: str, home: str, stops: str) -> dict[str, Any]:
    return {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": f"{bucket}.s3.{home}.amazonaws.com",
        "ResourcePath": f"/STOP-{stops}",
        "RequestInterval": 10,
        "FailureThreshold": 3,
        "Inverted": True,
    }


def _control_check(arn: str) -> dict[str, Any]:
    return {"Type": "RECOVERY_CONTROL", "RoutingControlArn": arn}


def _trail_bucket() -> None:
    """Create the archive of the trail, in a Region that nothing moves between, locked from its first day."""
    backend = s3_backends[ACCOUNT]["aws"]
    bucket = backend.create_bucket(TRAIL_BUCKET, TRAIL_REGION)
    bucket.versioning_status = "Enabled"
    bucket.object_lock_enabled = True
    bucket.default_lock_mode, bucket.default_lock_days = "COMPLIANCE", TRAIL_DAYS


def _signing_key() -> str:
    """Create the key for checkpoints; the sandbox's bots sign with a file, as their time is simulated."""
    backend = kms_backends[ACCOUNT][TRAIL_REGION]
    key = create_edwards(backend, "Signalbox checkpoints")
    backend.create_alias(key.id, KEY_ALIAS)
    return str(key.arn)


def _role() -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
                "Principal": {"AWS": ACCOUNT},
            }
        ],
    }
    role = iam_backends[ACCOUNT]["aws"].create_role(
        ROLE, json.dumps(trust), "/", None, "Signalbox changes", [], "3600"
    )
    return str(role.arn)
