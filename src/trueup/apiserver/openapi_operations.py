"""What can be asked of each served resource, as the published documents describe it. Pure; called by `openapi`.

Served resources in, operations out; `openapi_paths` writes them down as one document or the other has it. Source:
apiserver ``endpoints/installer.go`` and ``endpoints/openapi``; of custom kinds apiextensions-apiserver
``controller/openapi/builder``.
What parameters mean is distilled by ``scripts/distil_answers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import orjson

from trueup.apiserver.registry import Served
from trueup.kube.names import Kind, Object
from trueup.kube.types import Subresource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS, PATCH, OPTIONS, EVENT = (f"{_META}{name}" for name in ("Status", "Patch", "DeleteOptions", "WatchEvent"))
JSON, YAML, PROTOBUF, TEXT = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain"
FORMS = (JSON, YAML, PROTOBUF)
_CUSTOM_FORMS = (JSON, YAML)
_STREAMED = (*FORMS, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
_SELECTING = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch",
)  # fmt: skip
_DELETING = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_CODES = {200: "OK", 201: "Created", 202: "Accepted"}
_SINCE = {"shardSelector": 36, "ignoreStoreReadErrorWithClusterBreakingPotential": 32}
"""Parameters that not every version knows."""
_ANYTHING = ("*/*",)
_SAID_TO_BE_GONE = frozenset({"Namespace"})
"""Kinds that are answered with although no document says so."""
_TEXT_OF = {"log": (TEXT, *FORMS)}
"""Subresources that answer with something other than an object."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    path: str
    method: str
    name: str
    tag: str
    description: str
    answers: Mapping[int, tuple[str, str]]
    """By code, what it is called and the schema; an empty one is text."""
    produces: Sequence[str]
    consumes: Sequence[str] = ()
    parameters: Sequence[Object] = ()
    """As OpenAPI v2 writes them, without the body."""
    body: str = ""
    body_required: bool = True
    action: str = ""
    kind: Kind | None = None


def operations(
    path: str, served: Served, schema: str, listed: str, below: Mapping[str, str], minor: int
) -> Iterator[Operation]:
    """All of a resource and of what lies below it. ``below``: the schemas of its subresources' kinds."""
    return _Resource(path, served, schema, listed, minor).all(below)


class _Resource:
    """What the operations of one resource have in common."""

    def __init__(self, path: str, served: Served, schema: str, listed: str, minor: int) -> None:
        self._root = f"/{path}"
        self._served = served
        self._schema = schema
        self._listed = listed
        self._minor = minor
        self._inside = f"{self._root}/namespaces/{{namespace}}" if served.namespaced else self._root
        self._forms = _CUSTOM_FORMS if served.custom else FORMS
        self.tag, self._group = _tag_and_prefix(path)

    def all(self, below: Mapping[str, str]) -> Iterator[Operation]:
        served, resource = self._served, self._served.resource.name
        yield from self._collection(f"{self._inside}/{resource}", everywhere=False)
        if served.namespaced:
            yield from self._collection(f"{self._root}/{resource}", everywhere=True)
        yield from self._item(f"{self._inside}/{resource}/{{name}}", served.verbs, "", served.kind, self._schema)
        for name, sub in served.subresources.items():
            at = f"{self._inside}/{resource}/{{name}}/{name}"
            if sub.kind.kind.endswith("Options"):
                yield from self._connections(at, name, sub)
            else:
                schema = below.get(name) or self._schema
                kind = served.kind if served.custom else sub.kind
                yield from self._item(at, sub.verbs, name, kind, "" if name in _TEXT_OF else schema)

    def _collection(self, at: str, *, everywhere: bool) -> Iterator[Operation]:
        verbs, kind, suffix = self._served.verbs, self._served.kind.kind, "ForAllNamespaces" if everywhere else ""
        streamed = self._forms if self._served.custom else _STREAMED
        listed = {200: self._listed}
        if "list" in verbs:
            told = f"list {'or watch ' if 'watch' in verbs and not self._served.custom else ''}objects of kind {kind}"
            yield self._one(at, "list", "get", "list", "", told, listed, _SELECTING, produces=streamed, suffix=suffix)
        if "watch" in verbs and not self._served.custom:
            told = (
                f"watch individual changes to a list of {kind}. deprecated: use the 'watch' parameter with a list "
                "operation instead."
            )
            yield self._one(
                at.replace(self._root, f"{self._root}/watch", 1), "watchlist", "get", "watch", "List", told, {200: EVENT},
                _SELECTING, produces=streamed, suffix=suffix,
            )  # fmt: skip
        if everywhere:
            return
        if "create" in verbs:
            made = dict.fromkeys((200, 201, 202), self._schema)
            told = f"create{_article(kind)}{kind}"
            yield self._one(at, "post", "post", "create", "", told, made, _WRITING, body=self._schema)
        if "deletecollection" in verbs:
            told, gone = f"delete collection of {kind}", {200: STATUS}
            if self._served.custom:  # which names the options of a list alone
                yield self._one(at, "deletecollection", "delete", "deletecollection", "", told, gone, _SELECTING)
            else:
                asked = {*_DELETING, *_SELECTING} - {"watch", "allowWatchBookmarks"}
                yield self._one(
                    at, "deletecollection", "delete", "deletecollection", "", told, gone, asked, body=OPTIONS, must=False
                )  # fmt: skip

    def _item(self, at: str, verbs: frozenset[str], below: str, kind: Kind, schema: str) -> Iterator[Operation]:
        """Of one object, or of a part of it; an empty schema is text."""
        parent = self._served.kind.kind
        whose, title = f"{below} of the specified {parent}" if below else f"the specified {parent}", below.title()
        custom = self._served.custom
        if "get" in verbs:
            asked = (
                ("resourceVersion",)
                if custom
                else tuple(_parameters().get(f"{self._served.resource.name}/{below}", ()))
            )
            forms = _TEXT_OF.get(below) or self._forms
            yield self._one(
                at, "get", "get", "read", title, f"read {whose}", {200: schema}, asked, kind, produces=forms
            )
        if "update" in verbs:
            made = dict.fromkeys((200, 201), schema)
            yield self._one(at, "put", "put", "replace", title, f"replace {whose}", made, _WRITING, kind, body=schema)
        if "patch" in verbs:
            made = dict.fromkeys((200,) if custom else (200, 201), schema)
            told, asked = f"partially update {whose}", (*_WRITING, "force")
            yield self._one(at, "patch", "patch", "patch", title, told, made, asked, kind, body=PATCH)
        if below and "create" in verbs:
            made = dict.fromkeys((200, 201, 202), schema)
            told = f"create {below} of{_article(parent)}{parent}"
            yield self._one(at, "post", "post", "create", title, told, made, _WRITING, kind, body=schema)
        if not below and "delete" in verbs:
            returned = self._served.strategy.returns_deleted and not custom and parent not in _SAID_TO_BE_GONE
            gone = schema if returned else STATUS
            told = f"delete{_article(parent)}{parent}"
            made = dict.fromkeys((200, 202), gone)
            yield self._one(at, "delete", "delete", "delete", "", told, made, _DELETING, kind, body=OPTIONS, must=False)
        if not below and "watch" in verbs and not custom:
            told = (
                f"watch changes to an object of kind {parent}. deprecated: use the 'watch' parameter with a list operation "
                "instead, filtered to a single item with the 'fieldSelector' parameter."
            )
            at = at.replace(self._root, f"{self._root}/watch", 1)
            yield self._one(at, "watch", "get", "watch", "", told, {200: EVENT}, _SELECTING, produces=_STREAMED)

    def _connections(self, at: str, below: str, sub: Subresource) -> Iterator[Operation]:
        """Of a part of an object that is a connection."""
        asked = tuple(_parameters().get(f"{self._served.resource.name}/{below}", ()))
        proxied = below == "proxy"
        methods = ("get", "put", "post", "delete", "options", "head", "patch") if proxied else ("get", "post")
        for where, suffix in ((at, ""), (f"{at}/{{path}}", "WithPath")) if proxied else ((at, ""),):
            for method in methods:
                told = f"connect {method.upper()} requests to {below} of {self._served.kind.kind}"
                yield self._one(
                    where, "connect", method, "connect", below.title(), told, {200: ""}, asked, sub.kind,
                    produces=_ANYTHING, suffix=suffix, first=method.title(),
                )  # fmt: skip

    def _one(
        self, at: str, action: str, method: str, verb: str, end: str, told: str, answers: Mapping[int, str],
        asked: Sequence[str] | set[str], kind: Kind | None = None, *, produces: Sequence[str] = (), suffix: str = "",
        first: str = "", body: str = "", must: bool = True,
    ) -> Operation:  # fmt: skip
        inside = "Namespaced" if self._served.namespaced and suffix != "ForAllNamespaces" else ""
        start, rest = ("delete", "Collection") if verb == "deletecollection" else (verb, "")
        kind = kind or self._served.kind
        part = f"{self._served.resource.name}/{at.partition('{name}/')[2].removesuffix('/{path}')}"
        parameters = [self._parameter(name, action, part) for name in asked if self._minor >= _SINCE.get(name, 0)]
        if action != "connect":
            parameters.append(self._parameter("pretty", action, part))
        parameters += [_in_path(name, kind) for name in ("name", "namespace", "path") if f"{{{name}}}" in at]
        if body == PATCH:
            consumes: Sequence[str] = [each for each in _PATCHES if not self._served.custom or "strategic" not in each]
        else:
            consumes = self._forms if self._served.custom else _ANYTHING
        return Operation(
            path=at,
            method=method,
            name=f"{start}{self._group}{rest}{first}{inside}{self._served.kind.kind}{end}{suffix}",
            tag=self.tag,
            description=told,
            answers={code: (_CODES[code], schema) for code, schema in answers.items()},
            produces=produces or self._forms,
            consumes=consumes,
            parameters=parameters,
            body=body,
            body_required=must and not (self._served.custom and method == "delete"),
            action=action,
            kind=kind,
        )

    def _parameter(self, name: str, action: str, part: str) -> Object:
        known = _parameters()
        found = known.get(part, {}).get(name) or known.get(action, {}).get(name) or known["*"][name]
        return {"name": name, "in": "query", "description": found[1], "type": found[0], "uniqueItems": True}


def listing(path: str) -> Operation:
    """What is asked of a group's version itself."""
    tag, group = _tag_and_prefix(path)
    said = {200: ("OK", f"{_META}APIResourceList")}
    name = f"get{group}APIResources"
    return Operation(f"/{path}/", "get", name, tag, "get available resources", said, FORMS, FORMS)


def about(path: str) -> Operation | None:
    """What is asked of a path that holds no resources; None: nothing is published of it."""
    if path in _ABOUT:
        name, tag, told, schema, produces, consumes = _ABOUT[path]
        return Operation(f"/{path}/", "get", name, tag, told, {200: ("OK", schema)}, produces, consumes)
    if path.startswith("apis/") and path.count("/") == 1:
        tag, group = _tag_and_prefix(path)
        said = {200: ("OK", f"{_META}APIGroup")}
        return Operation(
            f"/{path}/", "get", f"get{group}APIGroup", tag, "get information of a group", said, FORMS, FORMS
        )
    return None


_ABOUT: Mapping[str, tuple[str, str, str, str, Sequence[str], Sequence[str]]] = {
    "api": ("getCoreAPIVersions", "core", "get available API versions", f"{_META}APIVersions", FORMS, FORMS),
    "apis": ("getAPIVersions", "apis", "get available API versions", f"{_META}APIGroupList", FORMS, FORMS),
    "version": (
        "getCodeVersion", "version", "get the version information for this server",
        "io.k8s.apimachinery.pkg.version.Info", (JSON,), (JSON,),
    ),
    ".well-known/openid-configuration": (
        "getServiceAccountIssuerOpenIDConfiguration", "WellKnown",
        "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'", "", (JSON,), (),
    ),
    "openid/v1/jwks": (
        "getServiceAccountIssuerOpenIDKeyset", "openid",
        "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)", "",
        ("application/jwk-set+json",), (),
    ),
}  # fmt: skip
ABOUT = tuple(_ABOUT)
"""Paths beside those of resources that something is published of."""


def _tag_and_prefix(path: str) -> tuple[str, str]:
    """``apis/rbac.authorization.k8s.io/v1`` is ``rbacAuthorization_v1`` and ``RbacAuthorizationV1``."""
    parts = path.split("/")
    group, *version = ["core", *parts[1:]] if parts[0] == "api" else parts[1:]
    words = [word for word in re.split(r"[^A-Za-z0-9_]", group.removesuffix(".k8s.io")) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words)
    tag = "_".join((name[:1].lower() + name[1:], *version))
    return tag, name + "".join(each[:1].upper() + each[1:] for each in version)


def _in_path(name: str, kind: Kind) -> Object:
    told = {
        "name": f"name of the {kind.kind}",
        "namespace": "object name and auth scope, such as for teams and projects",
        "path": "path to the resource",
    }[name]
    return {"name": name, "in": "path", "description": told, "required": True, "type": "string", "uniqueItems": True}


def _article(kind: str) -> str:
    if kind.endswith("s") and not kind.endswith("ss"):
        return " "
    return " an " if kind[0].lower() in "aeiou" else " a "


@cache
def _parameters() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Type and description of each parameter, of one subresource, of one action, or of all (``*``)."""
    found: Mapping[str, Mapping[str, Sequence[str]]] = orjson.loads(
        resources.files("trueup.apiserver").joinpath("parameters.json").read_bytes()
    )
    return found
