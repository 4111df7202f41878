"""GET of one object and of lists. Source: Kubernetes API concepts, "Resource versions", "Retrieving large results sets"."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.kube import go_json, selectors
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, BadRequest, Cause, Expired, Invalid, Timeout, not_found
from trueup.kube.validation.causes import forbidden, not_supported
from trueup.ports import Listing
from trueup.store.state import Bucket, Entry, Gone

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_TOKEN_LIVES = 300.0
"""Seconds that a list can go on as it was: as long as etcd keeps what kube-apiserver compacts every five minutes."""
_NOW = -1
"""The revision in a token that goes on without consistency."""


_MATCH = "resourceVersionMatch"


class StaleToken(Expired):
    """A list cannot go on as it was; ``token`` goes on as it is now."""

    def __init__(self, token: str) -> None:
        super().__init__(_TOO_OLD)
        self.token = token

    def as_status(self) -> Object:
        return {**super().as_status(), "metadata": {"continue": self.token}}


@dataclass(frozen=True, slots=True)
class Found:
    """What a list found: entries, the revision that they are of, the next page's token, how many remain (if known)."""

    entries: list[Entry]
    revision: str
    token: str = ""
    remaining: int = 0


async def get(hub: Hub, served: Served, namespace: str, name: str, revision: str = "") -> Object:
    """One object, shared; not older than a revision."""
    if revision and served.storage == "events" and not revision.isdigit():  # they are kept in no cache there
        raise BadRequest(f"invalid resource version: {unparsable(revision)}")
    if revision:
        not_newer(hub, revision)
    entry = hub.store.bucket(served.storage).get(namespace, name)
    if entry is None:
        raise not_found(served.resource.group_resource, name)
    return await hub.converted(served, entry.obj)


async def found(hub: Hub, served: Served, namespace: str, **how: Any) -> Found:
    """What ``find`` finds, ready to be shown."""
    if not served.converts:
        return find(hub, served, namespace, **how)
    if how.get("labels") or how.get("fields"):  # they select by what is shown
        await hub.prepare(served, (entry.obj for *_, entry in hub.store.bucket(served.storage).scan(namespace)))
    made = find(hub, served, namespace, **how)
    await hub.prepare(served, (entry.obj for entry in made.entries))
    return made


def find(
    hub: Hub,
    served: Served,
    namespace: str,
    *,
    labels: str = "",
    fields: str = "",
    limit: int = 0,
    page: str = "",
    revision: str = "",
    match: str = "",
) -> Found:
    """Matching entries. Raises ``Expired`` when they are asked for as they were at a revision that is forgotten."""
    by_label = selectors.labels(labels) if labels else None
    if not page:
        _check_match(revision, match)
    by_field = selectors.fields(fields) if fields else None
    if by_field is not None:
        check_fields(served, by_field)
    bucket = hub.store.bucket(served.storage)
    now = hub.clock.now()
    after, at, since = _position(page, revision) if page else (None, _exact(hub, revision, match, limit), now)
    if after is not None and at != _NOW and now - since > _TOKEN_LIVES:
        raise StaleToken(_token(after, _NOW, now))
    shown = hub.store.revision if at == _NOW else at
    out: list[Entry] = []
    last = ("", "")
    for space, name, entry in _candidates(bucket, namespace, by_field, after, at):
        if limit and len(out) == limit:  # whether or not what follows is wanted
            selected = by_label is not None or by_field is not None
            remaining = 0 if selected else max(1, _remaining(bucket, namespace, last))
            return Found(out, str(shown), _token(last, shown, now if at == _NOW else since), remaining)
        if by_label is not None or by_field is not None:
            obj = hub.as_version(served, entry.obj) if served.converts else entry.obj
            if by_label is not None and not by_label.matches(obj["metadata"].get("labels")):
                continue
            if by_field is not None and not by_field.matches(selected_form(served, obj)):
                continue
        out.append(entry)
        last = (space, name)
    return Found(out, str(shown))


def _candidates(
    bucket: Bucket, namespace: str, by_field: selectors.FieldSelector | None, after: tuple[str, str] | None, at: int
) -> Iterator[tuple[str, str, Entry]]:
    name = by_field.exact("metadata.name") if by_field is not None else None
    if at != _NOW:
        try:
            yield from bucket.scan_at(at, namespace, after)
        except Gone:
            if after is None:
                raise Expired("The resourceVersion for the provided list is too old.") from None
            raise StaleToken(_token(after, _NOW, 0)) from None
    elif name is not None and after is None:
        for space in [namespace] if namespace else sorted(bucket.spaces):
            entry = bucket.get(space, name)
            if entry is not None:
                yield space, name, entry
    else:
        yield from bucket.scan(namespace, after)


def _remaining(bucket: Bucket, namespace: str, last: tuple[str, str]) -> int:
    """How many are behind a name now: Kubernetes calls its own count an estimate too."""
    return sum(1 for _ in bucket.scan(namespace, last))


def _check_match(revision: str, match: str) -> None:
    """Source: apimachinery ``ValidateListOptions``."""
    causes = []
    if match and not revision:
        causes.append(forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if match and match not in ("Exact", "NotOlderThan"):
        causes.append(not_supported(_MATCH, match, ("Exact", "NotOlderThan", "")))
    if match == "Exact" and revision == "0":
        causes.append(forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if causes:
        texts = [f"{cause.field}: {cause.message}" for cause in causes]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise Invalid(
            f'ListOptions.meta.k8s.io "" is invalid: {text}',
            causes=causes,
            details={"group": "meta.k8s.io", "kind": "ListOptions"},
        )


def _exact(hub: Hub, revision: str, match: str, limit: int) -> int:
    """The revision to list as it was; ``_NOW`` where the present will do. Source: ``ValidateListOptions``."""
    if revision in ("", "0"):
        return _NOW
    if not revision.isdigit():
        raise BadRequest(f"invalid resource version: {unparsable(revision)}")
    asked = not_newer(hub, revision)
    if match == "Exact" or (limit and not match):
        return asked
    return _NOW


def not_newer(hub: Hub, revision: str) -> int:
    """The revision as a number. Raises ``Timeout`` when this server has not seen it yet, ``BadRequest`` for nonsense."""
    if not revision.isdigit():
        raise ApiProblem(unparsable(revision))
    if int(revision) > hub.store.revision:
        text = f"Too large resource version: {revision}, current: {hub.store.revision}"
        raise Timeout(text, causes=[Cause("ResourceVersionTooLarge", "Too large resource version")], retry_after=1)
    return int(revision)


def unparsable(revision: str) -> str:
    """Why a version is none; to Kubernetes that is trouble of its own, but where lists are concerned."""
    return f'resourceVersion: Invalid value: "{revision}": strconv.ParseUint: parsing "{revision}": invalid syntax'


async def listing(
    hub: Hub, served: Served, namespace: str, *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
) -> Listing:
    """A list for a client in process; objects are shared."""
    made = await found(hub, served, namespace, labels=labels, fields=fields, limit=limit, page=page)
    return Listing([hub.as_version(served, entry.obj) for entry in made.entries], made.revision, made.token)


def check_fields(served: Served, selector: selectors.FieldSelector) -> None:
    """Only what a kind declares may be asked for."""
    known = served.strategy.selectable
    if served.version_spec is not None:
        known = frozenset(
            str(field.get("jsonPath", "")).lstrip(".") for field in served.version_spec.get("selectableFields") or ()
        )
    for path in selector.paths:
        if path not in ("metadata.name", "metadata.namespace") and path not in known:
            if served.kind.group == "batch" and served.kind.kind == "Job":
                raise BadRequest(f'field label "{path}" not supported for Job')
            if known or served.custom:
                raise BadRequest(f"field label not supported: {path}")
            raise BadRequest(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def selected_form(served: Served, obj: Object) -> Object:
    """The object as its field selectors name it."""
    return served.strategy.selected(obj) if served.strategy.selected is not None else obj


def _token(after: tuple[str, str], revision: int, since: float) -> str:
    """Where a list goes on, as it was at which revision, and when it was begun."""
    return base64.urlsafe_b64encode(orjson.dumps({"v": revision, "a": after, "t": int(since)})).decode()


def _position(token: str, revision: str) -> tuple[tuple[str, str], int, float]:
    if revision not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    try:
        found = go_json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        space, name, at, since = found["a"][0], found["a"][1], found["v"], found["t"]
    except go_json.GoJsonError as problem:
        raise BadRequest(f"invalid continue token: continue key is not valid: {problem}") from None
    except (ValueError, KeyError, IndexError, TypeError):
        raise BadRequest(f"continue key is not valid: {token}") from None
    if not (isinstance(space, str) and isinstance(name, str) and isinstance(at, int) and isinstance(since, int)):
        raise BadRequest(f"continue key is not valid: {token}")
    return (space, name), at, since
