"""The group certificates.k8s.io: who asks is written down by the server, and who answers stays within his part. Pure.

Source: ``pkg/registry/certificates/certificates/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object

_DECIDED = ("Approved", "Denied")


def _new(obj: Object, moment: Moment) -> None:
    spec = {name: value for name, value in obj["spec"].items() if name not in ("username", "uid", "groups", "extra")}
    user = moment.user
    spec["username"] = user.name
    if user.uid:
        spec["uid"] = user.uid
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {name: list(values) for name, values in user.extra.items()}
    obj["spec"], obj["status"] = spec, {}


def _changed(obj: Object, old: Object, moment: Moment) -> None:
    before, new = old.get("status") or {}, dict(obj.get("status") or {})
    if moment.subresource == "approval":  # conditions alone
        new = {**before, "conditions": new.get("conditions") or []}
    elif moment.subresource == "status":
        decided = {one["type"]: one for one in before.get("conditions") or () if one["type"] in _DECIDED}
        new["conditions"] = [decided.get(one.get("type"), one) for one in new.get("conditions") or ()]
    else:
        new = dict(before)
    new["conditions"] = [_timed(one, before.get("conditions") or (), moment.now) for one in new.get("conditions") or ()]
    if not new["conditions"]:
        del new["conditions"]
    obj["spec"], obj["status"] = old["spec"], new


def _timed(one: Object, before: object, now: str) -> Object:
    """A condition with its times; the one of its transition stays while its status does."""
    known = before if isinstance(before, (list, tuple)) else ()
    same = (o for o in known if (o.get("type"), o.get("status")) == (one.get("type"), one.get("status")))
    since = next((o["lastTransitionTime"] for o in same if o.get("lastTransitionTime")), now)
    given = {name: value for name, value in one.items() if value}
    return {"lastUpdateTime": now, "lastTransitionTime": since, **given}


ROWS: Mapping[str, Strategy] = {
    "CertificateSigningRequest": Strategy(
        counts_generations=False, create=_new, update=_changed, selectable=frozenset({"spec.signerName"})
    ),
}
