"""API failures as one error tree, by what the caller does next.

ApiProblem
├── BadRequest             400  mend the request
├── Unauthorized           401  log in
├── Forbidden              403  ask for the right
├── NotFound               404  create it, or let it go
├── MethodNotAllowed       405  the resource lacks the verb
├── NotAcceptable          406  ask for another media type
├── AlreadyExists          409  read it instead
├── Conflict               409  read again and retry, or force an apply
├── Expired                410  relist
├── TooLarge               413  send less
├── UnsupportedMediaType   415  send another media type
├── Invalid                422  mend the object; ``causes`` name the fields
├── TooManyRequests        429  wait ``retry_after`` seconds
├── InternalError          500  a bug, or the store failed
├── Unavailable            503  wait and retry (507, 500: what was to be stored was not)
└── Timeout                504  retry

Every one is a ``metav1.Status`` on the wire. Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object

UNKNOWN = "Unknown"
"""No reason: left out on the wire."""
_UNFIT = ("failed to create typed patch object", "failed to convert new object")
"""Source: apimachinery ``managedfields``, structuredmerge.go."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field at fault: ``reason`` is Kubernetes' word (FieldValueInvalid, FieldManagerConflict, ...)."""

    reason: str
    message: str
    field: str = ""

    def as_json(self) -> Object:
        out: Object = {"reason": self.reason} if self.reason else {}
        out["message"] = self.message
        if self.field:
            out["field"] = self.field
        return out


class ApiProblem(Exception):
    """A Kubernetes API call failed; carries everything that its ``Status`` object says."""

    code = 500
    reason = UNKNOWN
    warnings: tuple[str, ...] = ()
    """What the client is told besides."""
    generic = False
    """Whether Kubernetes says details even where there are none."""

    def __init__(
        self,
        message: str,
        *,
        causes: Sequence[Cause] = (),
        details: Object | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = tuple(causes)
        self.details = details or {}
        self._detailed = details is not None
        self.retry_after = retry_after

    def as_status(self) -> Object:
        """The ``metav1.Status`` that goes over the wire."""
        details: dict[str, Any] = dict(self.details)
        if self.causes:
            details["causes"] = [cause.as_json() for cause in self.causes]
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.reason == UNKNOWN:
            del status["reason"]
        if details or self._detailed or self.generic:
            status["details"] = details
        status["code"] = self.code
        return status


class BadRequest(ApiProblem):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiProblem):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiProblem):
    code, reason = 403, "Forbidden"


class NotFound(ApiProblem):
    code, reason, generic = 404, "NotFound", True


class MethodNotAllowed(ApiProblem):
    code, reason, generic = 405, "MethodNotAllowed", True


class NotAcceptable(ApiProblem):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiProblem):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiProblem):
    code, reason = 409, "Conflict"


class Expired(ApiProblem):
    code, reason = 410, "Expired"


class TooLarge(ApiProblem):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiProblem):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiProblem):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiProblem):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiProblem):
    code, reason = 500, "InternalError"


class Unavailable(ApiProblem):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiProblem):
    code, reason = 504, "Timeout"


_BY_REASON: dict[str, type[ApiProblem]] = {cls.reason: cls for cls in ApiProblem.__subclasses__()}
_BY_CODE: dict[int, type[ApiProblem]] = {}
for _cls in ApiProblem.__subclasses__():
    _BY_CODE.setdefault(_cls.code, _cls)
_BY_CODE[409] = Conflict


def from_status(code: int, status: Object) -> ApiProblem:
    """The error that a received ``Status`` body stands for; by its reason, else by the HTTP code.

    An apply that does not fit the schema is answered 500 without a reason, as trouble within is; time helps only the latter.
    """
    reason = status.get("reason") or ""
    unfit = code == 500 and not reason and str(status.get("message")).startswith(_UNFIT)
    cls = ApiProblem if unfit else _BY_REASON.get(reason) or _BY_CODE.get(code, ApiProblem)
    details = dict(status.get("details") or {})
    causes = [
        Cause(c.get("reason", ""), c.get("message", ""), c.get("field", "")) for c in details.pop("causes", None) or ()
    ]
    problem = cls(
        status.get("message") or f"the server answered {code}",
        causes=causes,
        retry_after=details.pop("retryAfterSeconds", None),
        details=details,
    )
    if cls is ApiProblem:
        problem.code, problem.reason = code, str(reason or UNKNOWN)
    return problem


def not_found(group_resource: str, name: str) -> NotFound:
    """``deployments.apps "web" not found``, as Kubernetes words it."""
    resource, _, group = group_resource.partition(".")
    details: Object = {"name": name, "kind": resource}
    if group:
        details["group"] = group
    return NotFound(f'{group_resource} "{name}" not found', details=details)
