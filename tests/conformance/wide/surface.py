"""What a server serves: every resource with its path, its subresources and its published schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one version."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    subresources: frozenset[str]
    schema: Json
    schemas: Mapping[str, Json]

    def collection(self, space: str) -> str:
        """The path of its list."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        return f"{root}/namespaces/{space}/{self.plural}" if self.namespaced else f"{root}/{self.plural}"


Surface = Mapping[tuple[str, str], Resource]
"""By ``apiVersion`` and kind."""


async def surface(session: aiohttp.ClientSession, url: str) -> Surface:
    """Everything that can be created there."""

    async def get(path: str) -> Json:
        async with session.get(url + path) as answer:
            answer.raise_for_status()
            return await answer.json()  # type: ignore[no-any-return]

    groups = (await get("/apis"))["groups"]
    versions = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
    found: dict[tuple[str, str], Resource] = {}
    for version in versions:
        if ".example.org/" in version:
            continue  # aggregated, of nobody
        root = "api/v1" if version == "v1" else f"apis/{version}"
        listed = (await get(f"/{root}"))["resources"]
        schemas = (await get(f"/openapi/v3/{root}")).get("components", {}).get("schemas", {})
        by_kind = {
            name["kind"]: schema
            for schema in schemas.values()
            for name in schema.get("x-kubernetes-group-version-kind", ())
            if "/".join(filter(None, (name["group"], name["version"]))) == version
        }
        for one in listed:
            if "/" in one["name"] or "create" not in one["verbs"] or "get" not in one["verbs"]:
                continue
            parts = frozenset(
                other["name"].partition("/")[2] for other in listed if other["name"].startswith(f"{one['name']}/")
            )
            kind = one["kind"]
            schema = by_kind.get(kind, {})
            found[version, kind] = Resource(version, kind, one["name"], one["namespaced"], parts, schema, schemas)
    return found
