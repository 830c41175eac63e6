"""STS over HTTP: only roles that exist can be assumed, and the source identity comes back."""

from __future__ import annotations

import re
from typing import ClassVar

from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.sts.responses import TokenResponse

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.cloudtrail import AssumedSession
from bot.sandbox.aws.refusals import Refusal, UnmodeledRefusal

_IDENTITY = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


class NamedSts(TokenResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]

    def assume_role(self) -> ActionResult:
        arn, identity = self._get_param("RoleArn"), self._get_param("SourceIdentity")
        if not any(role.arn == arn for role in iam_backends[ACCOUNT]["aws"].roles.values()):
            user = f"arn:aws:iam::{ACCOUNT}:user/signalbox"
            message = f"User: {user} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise UnmodeledRefusal(403, "AccessDenied", message)
        if identity is not None and not _IDENTITY.fullmatch(identity):
            message = (
                f"1 validation error detected: Value '{identity}' at 'sourceIdentity' failed to satisfy "
                r"constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*"
            )
            raise Refusal("ValidationError", message)
        result = super().assume_role()
        result.result["SourceIdentity"] = identity
        user = result.result["AssumedRoleUser"]
        self.cloud.events.sessions[result.result["Credentials"].access_key_id] = AssumedSession(
            role_arn=str(arn),
            session_arn=user["Arn"],
            principal=user["AssumedRoleId"],
            person=identity or "",
        )
        return result
