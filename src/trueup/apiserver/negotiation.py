"""Which media type and which shape an answer has. Pure; called by `resources`, `watching`, `discovery` and `asgi`.

An ``Accept`` header in, a `Form` out, or ``NotAcceptable``. Source: apiserver ``endpoints/handlers/negotiation`` and its
``RequestScope.AllowsMediaTypeTransform``; goautoneg (how clauses are parsed and ordered); go-restful (which types a route
of a built-in kind produces at all: a clause has to name one of them, or ``*/*``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from trueup.kube.problems import NotAcceptable

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MEDIA = (JSON, YAML, PROTOBUF)
_STREAMS = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_HUMAN = ("curl", "Wget", "Mozilla/5.0")
"""Programs with which people read: they get JSON by lines."""
_META = ("meta.k8s.io/v1", "meta.k8s.io/v1beta1")
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is written."""

    media: str = JSON
    shape: str = ""
    """The kind that the object is to be turned into; empty for the object as it is."""
    api_version: str = "meta.k8s.io/v1"
    """That kind's."""
    pretty: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What an endpoint can answer with. There are few, each equal to itself alone."""

    media: tuple[str, ...] = MEDIA
    shapes: frozenset[str] = frozenset()
    """Kinds that it turns its objects into."""
    versions: tuple[str, ...] = _META
    """The API versions of these."""
    shaped: tuple[str, ...] = MEDIA
    """In which media types; tables have no protobuf anywhere."""
    routes: tuple[str, ...] = ()
    """Media types of which a clause has to name one before anything else is looked at; empty: all are let in."""


_SHAPES = frozenset((TABLE, PARTIAL, PARTIAL_LIST))
BUILT_IN = Offer(shapes=_SHAPES, routes=MEDIA)
LISTS = Offer(shapes=_SHAPES, routes=(*MEDIA, *_STREAMS))
"""Of built-in kinds; watches too."""
CUSTOM = Offer((JSON, YAML), _SHAPES)
REVIEWS = Offer(shapes=_SHAPES - {TABLE}, routes=MEDIA)
PLAIN = Offer()
"""Failures, and what is no resource."""


def negotiate(headers: Mapping[str, str], query: Mapping[str, str], offer: Offer) -> Form:
    """The first clause that can be met. Raises ``NotAcceptable``."""
    form = _negotiated(headers.get("accept", ""), offer)
    if form.media != JSON or form.pretty:
        return form
    if "pretty" in query:
        human = query["pretty"] in ("1", "t", "T", "true", "TRUE", "True")
    else:
        human = headers.get("user-agent", "").startswith(_HUMAN)
    return Form(form.media, form.shape, form.api_version, True) if human else form


def streamed(headers: Mapping[str, str], offer: Offer) -> Form:
    """The same for a watch, which YAML cannot be. Raises ``NotAcceptable``."""
    form = _negotiated(headers.get("accept", ""), offer)
    if form.media == YAML:
        raise NotAcceptable(_only(_STREAMS))
    return form


@lru_cache(maxsize=256)
def _negotiated(accept: str, offer: Offer) -> Form:
    if not accept:
        return Form()
    if offer.routes and not _routed(accept, offer.routes):
        produced = ", ".join(offer.routes)
        raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {produced}", details={})
    for clause in clauses(accept):
        for known in MEDIA:
            if clause.media in (known, "application/*", "*/*"):
                form = _met(known, clause.parameters, offer)
                if form is not None:
                    return form
    raise NotAcceptable(_only(MEDIA))


def _only(media: tuple[str, ...]) -> str:
    return f"only the following media types are accepted: {', '.join(media)}"


def _routed(accept: str, routes: tuple[str, ...]) -> bool:
    named = (part.partition(";")[0].strip() for part in accept.split(","))
    return any(media == "*/*" or media in routes for media in named)


def _met(media: str, parameters: Mapping[str, str], offer: Offer) -> Form | None:
    """The form that one clause asks for, where the endpoint knows it."""
    if parameters.get("stream", "") not in ("", "watch") or (parameters.get("stream") and media == YAML):
        return None
    if parameters.get("sv"):
        return None
    pretty = parameters.get("pretty") == "1"
    if not parameters.keys() & {"as", "g", "v"}:
        return Form(media, pretty=pretty) if media in offer.media else None
    shape, api_version = parameters.get("as", ""), f"{parameters.get('g', '')}/{parameters.get('v', '')}"
    if shape not in offer.shapes or api_version not in offer.versions or media not in offer.shaped:
        return None
    return None if shape == TABLE and media == PROTOBUF else Form(media, shape, api_version, pretty)


@dataclass(frozen=True, slots=True)
class Clause:
    """A media range with its parameters."""

    type: str
    below: str
    quality: float
    parameters: Mapping[str, str]

    @property
    def media(self) -> str:
        return f"{self.type}/{self.below}"

    def before(self, other: Clause) -> bool:
        """Whether it is wanted more. No order: of two, each may come before the other."""
        if self.quality > other.quality:
            return True
        return (self.type != "*" and other.type == "*") or (self.below != "*" and other.below == "*")


def clauses(accept: str) -> list[Clause]:
    """The clauses, the most wanted first, as goautoneg's sorting of a few puts them."""
    out: list[Clause] = []
    for part in accept.split(","):
        clause = _clause(part.strip(" "))
        if clause is None:
            continue
        at = len(out)
        while at and clause.before(out[at - 1]):
            at -= 1
        out.insert(at, clause)
    return out


def _clause(text: str) -> Clause | None:
    head, *rest = text.split(";")
    type_, _, below = head.partition("/")
    type_, below = type_.strip(" "), below.strip(" ")
    if not below and type_ == "*":
        below = "*"
    if not below or "/" in below:
        return None
    parameters = {}
    for name, _, value in (part.partition("=") for part in rest):
        if value and "=" not in value:
            parameters[name.strip(" ")] = value.strip(" ")
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return Clause(type_, below, quality, parameters)
