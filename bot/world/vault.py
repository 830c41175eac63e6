"""The trail's archive in S3: put once, kept by Object Lock, read back version by version.

A client of its own, which passes no register: it carries the trail itself, so an intent for each of its calls would
never end.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Literal

import boto3
import botocore.session
import stamina
from botocore.config import Config
from botocore.exceptions import ClientError, FlexibleChecksumError

from bot.errors import OutsideError, Rejected, SignalboxError
from bot.vault import Archive, Held, Locking, Stored
from bot.world.patience import Reads
from bot.world.refusals import RAISED, passing, throttled, translated

LONGEST_BYTES = 32 * 1024 * 1024
"""Nothing that Signalbox stores is longer: 256 rows of 64 KiB. What is, is not read."""
_RACES = 4
"""How often a put is sent while S3 says that another one of the same key is under way."""
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=6,
    retries={"total_max_attempts": 1, "mode": "standard"},
    max_pool_connections=4,
    user_agent_extra="signalbox",
    s3={"us_east_1_regional_endpoint": "regional"},
)


def open_archive(url: str, region: str = "") -> Archive:
    """The archive at `s3://bucket/prefix`; nothing is asked yet. Raises SignalboxError for what cannot be one."""
    return S3Archive(url, region)


class S3Archive:
    """`bot.vault.Archive` in a bucket. `region` may be empty where the environment names one."""

    def __init__(self, url: str, region: str = "", *, page: int = 1000) -> None:
        found = _URL.fullmatch(url)
        if found is None:
            raise SignalboxError(
                f"{url!r} is no archive: s3://BUCKET or s3://BUCKET/PREFIX is expected.",
                not_done="Nothing was read or stored.",
            )
        self.bucket, prefix = found[1], (found[2] or "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._region = region
        self._page = page

    @property
    def where(self) -> str:
        """As people write it."""
        return f"s3://{self.bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, body: bytes) -> Literal["stored", "exists"]:
        """Sent once: when the answer is lost, the caller puts it again and is told that it exists."""
        attempts = stamina.retry_context(
            on=_races, attempts=_RACES, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
        )
        try:
            for attempt in attempts:
                with attempt:
                    self._client.put_object(
                        Bucket=self.bucket,
                        Key=self._prefix + key,
                        Body=body,
                        IfNoneMatch="*",
                        ContentType="text/plain; charset=utf-8",
                        ChecksumAlgorithm="SHA256",
                        ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
                    )
        except RAISED as error:
            if _code(error) == "PreconditionFailed":
                return "exists"
            raise self._translated(error, "put_object", change=True) from error
        return "stored"

    def versions(self, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Page by page, so that a bucket of years is never in memory at once."""
        marker = {"KeyMarker": self._prefix + after} if after else {}
        rest: list[dict[str, Any]] = []
        while True:
            page = self._call(
                "list_object_versions",
                Bucket=self.bucket,
                Prefix=self._prefix + prefix,
                MaxKeys=self._page,
                **marker,
            )
            rest += page.get("Versions", [])
            rest += [{**one, "marker": True} for one in page.get("DeleteMarkers", [])]
            # Only the key at which the page ends can go on in the next one.
            open_key = page.get("NextKeyMarker", "") if page.get("IsTruncated") else None
            yield from self._oldest_first(one for one in rest if one["Key"] != open_key)
            if open_key is None:
                return
            rest = [one for one in rest if one["Key"] == open_key]
            marker = {"KeyMarker": open_key, "VersionIdMarker": page.get("NextVersionIdMarker", "")}

    def _oldest_first(self, found: Iterable[dict[str, Any]]) -> Iterator[Stored]:
        """S3 tells versions and delete markers apart, each newest first; their own order is never given up."""
        keys: dict[str, tuple[list[Stored], list[Stored]]] = {}
        for one in found:
            marker = one.get("marker", False)
            stored = Stored(
                key=one["Key"].removeprefix(self._prefix),
                version=one["VersionId"],
                modified=one["LastModified"].timestamp(),
                size=one.get("Size", 0),
                latest=one["IsLatest"],
                marker=marker,
            )
            keys.setdefault(one["Key"], ([], []))[marker].append(stored)
        for key in sorted(keys, key=str.encode):
            versions, markers = keys[key]
            yield from heapq.merge(reversed(versions), reversed(markers), key=lambda one: one.modified)

    def read(self, key: str, version: str = "") -> Held:
        """With the lock of exactly these bytes; S3 leaves it out for whoever may not see it, so it is asked for."""
        wanted = {
            "Bucket": self.bucket,
            "Key": self._prefix + key,
            **({"VersionId": version} if version else {}),
        }
        answer, body = self._bytes(wanted)
        mode, until = answer.get("ObjectLockMode", ""), answer.get("ObjectLockRetainUntilDate")
        if not mode:
            mode, until = self._retention({**wanted, "VersionId": answer.get("VersionId", version)})
        return Held(body, answer["LastModified"].timestamp(), mode, until.timestamp() if until else None)

    def _bytes(self, wanted: dict[str, str]) -> tuple[dict[str, Any], bytes]:
        def once() -> tuple[dict[str, Any], bytes]:
            answer = self._client.get_object(**wanted, ChecksumMode="ENABLED")
            with answer["Body"] as stream:
                if answer["ContentLength"] > LONGEST_BYTES:
                    raise Rejected(f"{wanted['Key']} is longer than anything that Signalbox stores.")
                return answer, stream.read()

        try:
            found: tuple[dict[str, Any], bytes] = self._patiently("get_object", once)
        except FlexibleChecksumError as error:
            raise Rejected(
                f"s3 get_object: the bytes of {wanted['Key']} are not those of their checksum."
            ) from error
        return found

    def _retention(self, wanted: dict[str, str]) -> tuple[str, Any]:
        found = self._unless(
            ("NoSuchObjectLockConfiguration", "InvalidRequest"),
            "get_object_retention",
            **{name: value for name, value in wanted.items() if value},
        )
        told = (found or {}).get("Retention", {})
        return told.get("Mode", ""), told.get("RetainUntilDate")

    def locking(self) -> Locking:
        """Needs s3:ListBucket, s3:GetBucketVersioning and s3:GetBucketObjectLockConfiguration."""
        region = self._call("head_bucket", Bucket=self.bucket).get("BucketRegion", "")
        versioned = self._call("get_bucket_versioning", Bucket=self.bucket).get("Status") == "Enabled"
        absent = ("ObjectLockConfigurationNotFoundError",)
        answer = self._unless(absent, "get_object_lock_configuration", Bucket=self.bucket)
        found = (answer or {}).get("ObjectLockConfiguration", {})
        default = found.get("Rule", {}).get("DefaultRetention", {})
        return Locking(
            region=region,
            enabled=found.get("ObjectLockEnabled") == "Enabled",
            mode=default.get("Mode", ""),
            days=default.get("Days") or (365 * default["Years"] if "Years" in default else None),
            versioned=versioned,
        )

    def _unless(self, absent: tuple[str, ...], operation: str, **params: Any) -> dict[str, Any] | None:
        """The answer, or None for an error that says that there is none."""
        try:
            return self._call(operation, **params)
        except OutsideError as error:
            if _code(error.__cause__) in absent:
                return None
            raise

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._patiently(
            operation, lambda: getattr(self._client, operation)(**params)
        )
        return answer

    def _patiently(self, operation: str, once: Callable[[], Any]) -> Any:
        """One read, tried again within the seconds that every read has."""
        found = None
        try:
            for attempt in Reads(passing, throttled):
                with attempt:
                    found = once()
        except FlexibleChecksumError:
            raise
        except RAISED as error:
            raise self._translated(error, operation) from error
        return found

    @cached_property
    def _client(self) -> Any:
        core = botocore.session.get_session()
        # Regional endpoints alone: what is global lies in a Region that production may have to leave.
        core.set_config_variable("sts_regional_endpoints", "regional")
        session = boto3.session.Session(botocore_session=core)
        region = self._region or session.region_name
        if not region:
            raise Rejected(
                f"Nobody said in which Region {self.where} is.", then="Set SIGNALBOX_ARCHIVE_REGION."
            )
        try:
            return session.client("s3", region_name=region, config=_CONFIG)
        except RAISED as error:
            raise self._translated(error, "client") from error

    def _translated(self, error: Exception, operation: str, *, change: bool = False) -> OutsideError:
        region = self._region or "the default Region"
        return translated(error, service="s3", operation=operation, region=region, change=change)


def _races(error: Exception) -> bool:
    return _code(error) == "ConditionalRequestConflict"


def _code(error: BaseException | None) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
