"""S3 over HTTP: Object Lock that cannot be shortened, because the trail's archive depends on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.s3.exceptions import LockNotEnabled, MissingKey, S3ClientError
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.s3.responses import S3Response

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.refusals import UnmodeledRefusal

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
        return super().put_object()

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
