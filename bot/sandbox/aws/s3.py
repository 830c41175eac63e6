"""S3 over HTTP: Object Lock that cannot be shortened, because the trail's archive depends on it.

Versions are dated by the simulated clock, as S3's own clock would date them; locks end by the real one.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.s3.exceptions import (
    LockNotEnabled,
    MissingKey,
    MissingUploadObjectWithObjectLockHeaders,
    S3ClientError,
)
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.s3.responses import S3Response

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.refusals import UnmodeledRefusal

_DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "Content-MD5": lambda body: hashlib.md5(body).digest(),  # noqa: S324 - S3's own header
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
}
_MOST_KEYS = 1000
_MODE, _UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"


def has_object(bucket: str, key: str) -> bool:
    """Whether a current version is there; reads without a lock."""
    found = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    current = found.keys.get(key) if found else None
    return current is not None and not isinstance(current, FakeDeleteMarker)


class LockingS3(S3Response):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]

    def put_object(self) -> Any:
        mode, until = self.headers.get(_MODE), self.headers.get(_UNTIL)
        if bool(mode) != bool(until):
            message = f"{_UNTIL} and {_MODE} must both be supplied"
            raise S3ClientError("InvalidArgument", message)
        if until:
            self._check_future(until)
        self._check_digest()
        answer = super().put_object()
        self._date(self.backend.get_object(self.bucket_name, self.parse_key_name()))
        return answer

    def _check_digest(self) -> None:
        """Refuse a body that is not what its sender digested."""
        for header, digest in _DIGESTS.items():
            value = self.headers.get(header)
            if value is not None and value != base64.b64encode(digest(self.body or b"")).decode():
                kind = header.removeprefix("x-amz-checksum-").upper()
                raise S3ClientError("BadDigest", f"The {kind} you specified did not match what was received.")

    def _key_response_put(self, query: dict[str, Any], key_name: str) -> Any:
        try:
            return super()._key_response_put(query, key_name)
        except MissingUploadObjectWithObjectLockHeaders as error:
            message = (
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object "
                "Lock parameters"
            )
            raise S3ClientError("InvalidRequest", message) from error

    def _date(self, version: Any) -> None:
        version.last_modified = self.cloud.time().replace(tzinfo=None)

    def delete_object(self) -> Any:
        answer = super().delete_object()
        found = self.backend.get_bucket(self.bucket_name).keys.getlist(self.parse_key_name(), [])
        if found and isinstance(found[-1], FakeDeleteMarker) and not self._get_param("versionId"):
            self._date(found[-1])
        return answer

    def list_object_versions(self) -> Any:
        """By key, of each the newest version first, in the order in which they came and whatever their dates say."""
        if self._get_param("delimiter"):
            return super().list_object_versions()
        after, after_version = self._get_param("key-marker", ""), self._get_param("version-id-marker", "")
        most = min(_MOST_KEYS, int(self._get_param("max-keys", _MOST_KEYS)))
        told = list(self._told_versions(self._get_param("prefix", ""), after, after_version, most + 1))
        page = told[:most]
        result: dict[str, Any] = {
            "Name": self.bucket_name,
            "Prefix": self._get_param("prefix", ""),
            "KeyMarker": after,
            "VersionIdMarker": after_version,
            "MaxKeys": most,
            "IsTruncated": len(told) > most,
            "Versions": [one for one in page if "Size" in one],
            "DeleteMarkers": [one for one in page if "Size" not in one],
        }
        if len(told) > most and page:
            result |= {"NextKeyMarker": page[-1]["Key"], "NextVersionIdMarker": page[-1]["VersionId"]}
        self.data["Action"] = "ListObjectVersions"
        return self.serialized(ActionResult(result))

    def _told_versions(
        self, prefix: str, after: str, after_version: str, most: int
    ) -> Iterator[dict[str, Any]]:
        keys = self.backend.get_bucket(self.bucket_name).keys
        for name in sorted(keys):
            if not name.startswith(prefix) or name < after or (name == after and not after_version):
                continue
            versions = keys.getlist(name)[::-1]
            if name == after:
                ids = [str(one.version_id) for one in versions]
                skipped = ids.index(after_version) + 1 if after_version in ids else 0
            else:
                skipped = 0
            for number, one in enumerate(versions[skipped:], skipped):
                if (most := most - 1) < 0:
                    return
                told = {
                    "Key": name,
                    "VersionId": str(one.version_id),
                    "IsLatest": number == 0,
                    "LastModified": one.last_modified_ISO8601,
                }
                if not isinstance(one, FakeDeleteMarker):
                    told |= {"ETag": one.etag, "Size": one.size, "StorageClass": one.storage_class}
                yield told

    def _bucket_response_put(self, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        """Keep versioning on where objects are locked: without it a lock protects nothing."""
        suspends = "versioning" in querystring and b"Suspended" in self.body
        if suspends and self.backend.get_bucket(bucket_name).object_lock_enabled:
            message = "An Object Lock configuration is present on this bucket"
            raise UnmodeledRefusal(409, "InvalidBucketState", message)
        return super()._bucket_response_put(request, bucket_name, querystring)

    def put_object_retention(self) -> Any:
        """Extend only; shorten or weaken GOVERNANCE with the bypass header, COMPLIANCE never."""
        if not self.backend.get_bucket(self.bucket_name).object_lock_enabled:
            raise LockNotEnabled
        mode, until = self._mode_until_from_body()
        if not mode or not until:
            raise S3ClientError("MalformedXML", "The XML you provided was not well-formed")
        key = self._locked_key()
        if key.lock_mode and key.lock_until and _moment(key.lock_until) > self._now():
            weaker = _moment(until) < _moment(key.lock_until) or (key.lock_mode, mode) == (
                "COMPLIANCE",
                "GOVERNANCE",
            )
            bypass = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
            if weaker and (key.lock_mode == "COMPLIANCE" or not bypass):
                raise S3ClientError("AccessDenied", "Access Denied because object protected by object lock.")
        self._check_future(until)
        key.lock_mode, key.lock_until = mode, until
        return 200, {}, ""

    def _key_response_get(self, query: dict[str, Any], key_name: str) -> Any:
        if "retention" not in query:
            return super()._key_response_get(query, key_name)
        self._set_action("KEY", "GET", query)
        if not self.backend.get_bucket(self.bucket_name).object_lock_enabled:
            raise S3ClientError("InvalidRequest", "Bucket is missing Object Lock Configuration")
        key = self._locked_key()
        if not key.lock_mode:
            message = "The specified object does not have a ObjectLock configuration"
            raise UnmodeledRefusal(404, "NoSuchObjectLockConfiguration", message)
        until = f"<RetainUntilDate>{key.lock_until}</RetainUntilDate>"
        body = f"<Retention><Mode>{key.lock_mode}</Mode>{until}</Retention>"
        return 200, {"content-type": "application/xml"}, body

    def _locked_key(self) -> Any:
        name, version = self.parse_key_name(), self._get_param("versionId")
        key = self.backend.get_object(self.bucket_name, name, version_id=version)
        if key is None:
            raise MissingKey(key=name)
        return key

    def _check_future(self, until: str) -> None:
        if _moment(until) <= self._now():
            raise S3ClientError("InvalidArgument", "The retain until date must be in the future!")

    @staticmethod
    def _now() -> datetime:
        """Wall time: moto's own checks at deletion use it, and two clocks in one lock would contradict."""
        return datetime.now(UTC)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
