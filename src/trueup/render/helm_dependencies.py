"""The charts that a chart depends on: what it says of them, and what ``helm dependency build`` would put into ``charts/``.

Called by `helm_chart`, and by `helm` for what is switched on. Nothing is fetched that lies in ``charts/`` already. A lock
has the last word on versions, and has to belong to what the chart says.

Source of the behaviour: Helm's ``downloader.Manager`` (``Build``, ``Update``) and ``resolver.HashReq``.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube import semver
from trueup.kube.semver import RangeProblem, Version
from trueup.ports import Charts, RenderProblem, SourceProblem, Tree
from trueup.render.objects import read

_FIELDS = (
    ("name", False), ("version", True), ("repository", False), ("condition", True), ("tags", True), ("enabled", True),
    ("import-values", True), ("alias", True),
)  # fmt: skip
"""As Go writes them: in this order, and which are left out when they are empty."""
_LARGEST_METADATA = 1024 * 1024
_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
"""What Go's JSON writes otherwise than Python's."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Where the files of a dependency are, and what its folder in ``charts/`` is called."""

    folder: str
    tree: Tree
    path: str
    packed: bool
    """It has been an archive: ``.helmignore`` has been heeded already."""


def listed(metadata: Mapping[str, Any], tree: Tree, path: str) -> list[dict[str, Any]]:
    """What a chart says that it depends on; charts of the first API version say it in a file of its own."""
    found = metadata.get("dependencies")
    if found is None:
        found = (_mapping(tree, posixpath.join(path, "requirements.yaml")) or {}).get("dependencies")
    return [entry for entry in found or () if isinstance(entry, dict)]


def built(tree: Tree, path: str, metadata: Mapping[str, Any], charts: Charts | None) -> Iterator[Dependency]:
    """What is missing in ``charts/`` and can be had. Raises `RenderProblem`."""
    wanted = listed(metadata, tree, path)
    missing = _missing(tree, posixpath.join(path, "charts"), {str(one.get("name")) for one in wanted})
    if not missing or (charts is None and not any(_local(one) for one in wanted)):
        return
    file = posixpath.join(path, "Chart.yaml")
    done: set[tuple[str, str]] = set()
    for one in _locked(tree, path, metadata, wanted, charts):
        name, repository = str(one.get("name")), str(one.get("repository") or "")
        if name not in missing or not repository or (charts is None and not _local(one)):
            continue
        try:
            found = _from_folder(tree, path, one) if _local(one) else _fetched(charts, one)
        except SourceProblem as problem:
            message = f"could not download {name} from {repository}: {problem}"
            raise RenderProblem(message, path=file, field="dependencies") from None
        if found is not None and (name, found[0]) not in done:
            done.add((name, found[0]))
            folder = name if len({known for known in done if known[0] == name}) == 1 else f"{name}-{found[0]}"
            yield Dependency(folder, *found[1:])


def _missing(tree: Tree, folder: str, names: set[str]) -> set[str]:
    """The charts that are not in ``charts/``: most are called as their folder or archive is, all as they say themselves."""
    entries = list(tree.list(folder)) if names and tree.kind(folder) == "folder" else []
    missing = {name for name in names if not any(_is_called(entry, name) for entry in entries)}
    for entry in entries:
        if not missing:
            break
        missing.discard(_own_name(tree, posixpath.join(folder, entry)))
    return missing


def _is_called(entry: str, name: str) -> bool:
    return entry == name or re.fullmatch(re.escape(name) + r"-v?\d.*\.tgz", entry) is not None


def _own_name(tree: Tree, place: str) -> str:
    """What a vendored chart calls itself; empty for what is none."""
    if tree.kind(place) == "folder":
        return str((_mapping(tree, posixpath.join(place, "Chart.yaml")) or {}).get("name") or "")
    if not place.endswith(".tgz"):
        return ""
    try:
        with tarfile.open(fileobj=io.BytesIO(tree.read(place)), mode="r:gz") as packed:
            for member in packed:
                if re.fullmatch(r"[^/]+/Chart\.yaml", member.name) and member.size < _LARGEST_METADATA:
                    file = packed.extractfile(member)
                    documents = read(file.read(), place) if file else []
                    value = documents[0].value if documents else None
                    return str(value.get("name") or "") if isinstance(value, dict) else ""
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return ""  # Helm's loader says what is the matter with it
    return ""


def _local(dependency: Mapping[str, Any]) -> bool:
    return str(dependency.get("repository") or "").startswith("file://")


# --- where they are ------------------------------------------------------------------------------------------------


def _from_folder(tree: Tree, path: str, dependency: Mapping[str, Any]) -> tuple[str, Tree, str, bool] | None:
    """A chart elsewhere in the same repository; None where there is none."""
    file = posixpath.join(path, "Chart.yaml")
    name, wanted = str(dependency.get("name")), str(dependency.get("version") or "")
    place = posixpath.normpath(posixpath.join(path, str(dependency["repository"]).removeprefix("file://")))
    place = "" if place == "." else place
    try:
        metadata = _mapping(tree, posixpath.join(place, "Chart.yaml"))
    except PermissionError:
        raise RenderProblem(
            f"the dependency {name} leads out of the repository", path=file, field="dependencies"
        ) from None
    if metadata is None:
        message = f"directory {place} not found: it should have the dependency {name}"
        raise RenderProblem(message, path=file, field="dependencies")
    version = Version.parse(str(metadata.get("version") or ""))
    try:
        fits = version is not None and semver.allows(wanted, version)
    except RangeProblem as problem:
        message = f"dependency {name} has an invalid version/constraint format: {problem}"
        raise RenderProblem(message, path=file, field="dependencies") from None
    if not fits:
        message = f"can't get a valid version for dependency {name}: {wanted!r} is wanted, {place} has {metadata.get('version')}"
        raise RenderProblem(message, path=file, field="dependencies")
    return str(metadata.get("version")), tree, place, False


def _fetched(charts: Charts | None, dependency: Mapping[str, Any]) -> tuple[str, Tree, str, bool]:
    assert charts is not None
    version, found = charts.fetch(
        str(dependency["repository"]), str(dependency.get("name")), str(dependency.get("version") or "")
    )
    return version, found, "", True


# --- the lock ------------------------------------------------------------------------------------------------------


def _locked(
    tree: Tree, path: str, metadata: Mapping[str, Any], wanted: list[dict[str, Any]], charts: Charts | None
) -> list[dict[str, Any]]:
    """The dependencies at the versions of the lock, or as the chart wants them where there is none."""
    first = str(metadata.get("apiVersion") or "v1") == "v1"
    name = (
        "requirements.lock"
        if first and tree.kind(posixpath.join(path, "requirements.lock")) == "file"
        else "Chart.lock"
    )
    file = posixpath.join(path, name)
    lock = _mapping(tree, file)
    if lock is None:
        return wanted
    locked = [one for one in lock.get("dependencies") or () if isinstance(one, dict)]
    known = str(lock.get("digest") or "")
    if known not in (_digest([_resolved(wanted, charts), locked]), _digest([wanted, locked])) and not (
        first and known == _digest({"dependencies": wanted})
    ):
        says = "requirements.yaml" if name == "requirements.lock" else "Chart.yaml"
        message = (
            f"the lock file ({name}) is out of sync with the dependencies file ({says}). Please update the dependencies"
        )
        raise RenderProblem(f"{message} with 'helm dependency update'", path=file, field="digest")
    return locked


def _resolved(wanted: list[dict[str, Any]], charts: Charts | None) -> list[dict[str, Any]]:
    """With the URLs of repositories that are named by an alias: what the lock was written for."""

    def url(named: str) -> str:
        if charts is None or not named.startswith(("@", "alias:")):
            return named
        try:
            return charts.repository(named)
        except SourceProblem:
            return named  # fetching it will say so

    return [{**one, "repository": url(str(one.get("repository") or ""))} for one in wanted]


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(_go_json(_ordered(value)).encode()).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict) and "dependencies" in value:
        return {"dependencies": _ordered(value["dependencies"])}
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    fields = {name: value.get(name) for name, _ in _FIELDS}
    fields["name"], fields["repository"] = fields["name"] or "", fields["repository"] or ""
    if fields["import-values"]:
        fields["import-values"] = [
            dict(sorted(one.items())) if isinstance(one, dict) else one for one in fields["import-values"]
        ]
    return {name: fields[name] for name, empty_goes in _FIELDS if fields[name] or not empty_goes}


def _go_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


# --- reading -------------------------------------------------------------------------------------------------------


def _mapping(tree: Tree, file: str) -> dict[str, Any] | None:
    """A YAML file's mapping; None where there is no such file."""
    if tree.kind(file) != "file":
        return None
    documents = read(tree.read(file), file)
    value = documents[0].value if documents else None
    return value if isinstance(value, dict) else {}
