"""Names, tags and digests of container images. Called by `build` and `plugins`.

Source: kustomize's ``imagetag`` filters (the one by field specs, and the older one that looks below every ``containers``)
and its ``image`` package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from trueup.kube.patterns import BadPattern, Pattern, pattern
from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import text_of

Place = tuple[Any, Any]


def set_images(resources: Iterable[Resource], images: Iterable[Mapping[str, Any]], specs: Specs) -> None:
    """Carries out every image entry, one after the other, on all objects but definitions of custom kinds."""
    entries = [_Image(image) for image in images]
    if not entries:
        return
    for resource in resources:
        if resource.kind == "CustomResourceDefinition":
            continue
        below: list[Place] = []
        _below_containers(resource.obj, below)
        apply(resource, specs, partial(_note, below))
        for image in entries:
            for holder, key in below:
                image.change(holder, key)


def _note(found: list[Place], holder: Any, key: Any) -> None:
    found.append((holder, key))


def _below_containers(node: Any, out: list[Place]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if type(value) is dict or type(value) is list:
                _below_containers(value, out)
                if key in ("containers", "initContainers") and isinstance(value, list):
                    out.extend((item, "image") for item in value if isinstance(item, dict) and "image" in item)
    elif isinstance(node, list):
        for item in node:
            if type(item) is dict or type(item) is list:
                _below_containers(item, out)


class _Image:
    """One entry of ``images``."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        name, self.new_name, self.new_tag, self.digest, self.tag_suffix = (
            text_of(entry.get(field)) for field in ("name", "newName", "newTag", "digest", "tagSuffix")
        )
        self.pattern = _pattern(name)

    def change(self, holder: Any, key: Any) -> None:
        value = holder[key]
        if isinstance(value, (dict, list)):
            raise wrong_kind(value, "ScalarNode")
        text = text_of(value)
        if self.pattern is None or not self.pattern.found(text):
            return
        name, tag, digest = split_image(text)
        name = self.new_name or name
        if self.new_tag:
            tag, digest = self.new_tag, self.digest
        elif self.digest:
            tag, digest = "", self.digest
        elif self.tag_suffix:
            tag, digest = tag + self.tag_suffix, ""
        holder[key] = name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


@lru_cache(maxsize=1024)
def _pattern(name: str) -> Pattern | None:
    """The name stands in the pattern as it is: kustomize takes it for a regular expression. None when it is no such."""
    try:
        return pattern(f"^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$")
    except BadPattern:
        return None


def split_image(image: str) -> tuple[str, str, str]:
    """Name, tag and digest; a port of the registry is part of the name."""
    slash = max(image.find("/"), 0)
    rest = image[slash:]
    at, colon = rest.find("@"), rest.find(":")
    if at < 0 and colon < 0:
        return image, "", ""
    if at >= 0 and (at < colon or colon < 0):
        return image[: slash + at], "", image[slash + at + 1 :]
    if at >= 0:
        return image[: slash + colon], image[slash + colon + 1 : slash + at], image[slash + at + 1 :]
    return image[: slash + colon], image[slash + colon + 1 :], ""
