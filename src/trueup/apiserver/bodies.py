"""Bodies of writes: the object or the patch, and what they say twice. Called by `resources` and `subresources`."""

from __future__ import annotations

from typing import Any

from trueup.apiserver import wire
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Write
from trueup.kube.go_json import GoJsonError
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest
from trueup.kube.reading import WrongType
from trueup.ports import PatchType


def written(served: Served, request: Request, write: Write, kind: str = "") -> Object:
    """The object of a request's body; fields that it gives twice are noted. Raises ``BadRequest``.

    ``kind``: what it ought to be, unless the resource's own kind.
    """
    media = wire.media_type(request.headers)
    ought = kind or served.kind.kind
    title = f'{ought} in version "{served.kind.version}" cannot be handled as a {ought}: '
    custom, ignores = served.custom and not kind, write.validation == "Ignore"
    obj = wire.read_object(request.body, media, ought, custom=custom, title=title if ignores else "")
    if served.custom and not kind and not obj.get("apiVersion"):
        raise BadRequest(
            f"the API version in the data () does not match the expected API version ({served.kind.api_version})"
        )
    if media.endswith("json"):
        try:
            twice = wire.duplicates(request.body, obj)
            if served.struct is not None and not kind:
                wire.check_numbers(request.body, served.struct)
        except (GoJsonError, WrongType) as problem:
            version = served.kind.version
            raise BadRequest(f'{ought} in version "{version}" cannot be handled as a {ought}: {problem}') from None
        if write.validation != "Ignore":
            write.duplicates.extend(twice)
    elif media.endswith("yaml") and write.validation != "Ignore":
        _note_repeated(request.body, write)
    return obj


def patch(served: Served, request: Request, write: Write) -> tuple[Any, PatchType]:
    """The patch; fields that it gives twice are noted. Raises ``BadRequest``."""
    loosely = write.validation == "Ignore"
    media = wire.media_type(request.headers)
    body, how = wire.read_patch(request.body, media, custom=served.custom, loosely=loosely)
    if how in ("merge", "strategic"):
        try:
            twice = wire.duplicates(request.body, body)
        except GoJsonError as problem:
            raise BadRequest(f"{'error decoding patch: ' if how == 'merge' else ''}{problem}") from None
        if write.validation != "Ignore":
            write.repeated.extend(f'duplicate field "{path}"' for path in twice)
    if how == "apply" and write.validation != "Ignore" and _may_repeat(request.body, body):
        _note_repeated(request.body, write)
    return body, how


def _may_repeat(body: bytes, value: Any) -> bool:
    try:
        return not body.lstrip().startswith(b"{") or bool(wire.duplicates(body, value))
    except GoJsonError:
        return True
    except ValueError:
        return True  # YAML that looks like JSON


def _note_repeated(body: bytes, write: Write) -> None:
    twice = wire.repeated(body)
    if twice:
        write.repeated.append(twice)
