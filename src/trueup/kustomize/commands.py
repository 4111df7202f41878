"""``kustomize edit`` as Argo CD runs it before a build: the fields of an Application's ``source.kustomize``.

Called by `edits`. A kustomization as it is written and the fields go in, the kustomization as the commands leave it comes
out. Sources: ``util/kustomize`` of Argo CD, ``kustomize/commands/edit`` of kustomize 5.8.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from trueup.kustomize.filters.images import split_image
from trueup.kustomize.loading import Files, is_remote, join
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.scalars import text_of

_KEEP = "*"
"""In a part of an image: what the kustomization says of it stays."""
_IMAGE_FORMS = """invalid format of image, use one of the following options:
- <image>=<newimage>:<newtag>
- <image>=<newimage>@<digest>
- <image>=<newimage>:<newtag>@<digest>
- <image>=<newimage>
- <image>:<newtag>
- <image>:<newtag>@<digest>
- <image>@<digest>"""


def edited(files: Files, folder: str, written: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """The kustomization of a folder after the commands, in the order in which Argo CD runs them."""
    out = dict(written)
    for field in ("namePrefix", "nameSuffix", "namespace"):
        if edits.get(field):
            out[field] = str(edits[field])
    if edits.get("images"):
        out["images"] = _images(out.get("images") or [], edits["images"])
    if edits.get("replicas"):
        out["replicas"] = _by_name(out.get("replicas") or [], edits["replicas"])
    if edits.get("commonLabels"):
        _add_labels(out, edits)
    if edits.get("commonAnnotations"):
        force = bool(edits.get("forceCommonAnnotations"))
        out["commonAnnotations"] = _added(
            out.get("commonAnnotations") or {}, edits["commonAnnotations"], "annotation", force=force
        )
    if edits.get("patches"):
        out["patches"] = [*(out.get("patches") or ()), *edits["patches"]]
    if edits.get("components"):
        out["components"] = _with_components(files, folder, out.get("components") or [], edits["components"])
    return out


# --- images and replicas -------------------------------------------------------------------------------------------


def read_image(text: str) -> dict[str, str]:
    """``[name=]new-name[:tag][@digest]`` as an entry of ``images``."""
    name, equals, value = text.partition("=")
    new_name, tag, digest = split_image(value if equals else text)
    if new_name == text:
        raise KustomizeProblem(_IMAGE_FORMS, field="images")
    if not equals:
        return {"name": new_name, "newTag": tag, "digest": digest}
    return {"name": name, "newName": new_name, "newTag": tag, "digest": digest}


def _images(have: list[Any], edits: list[Any]) -> list[dict[str, Any]]:
    """An image that is set takes the place of the entry of its name; all are sorted by their names."""
    wanted: dict[str, dict[str, Any]] = {}
    for edit in edits:
        entry = dict(edit) if isinstance(edit, dict) else read_image(str(edit))
        wanted[str(entry["name"])] = entry
    for old in have:
        entry = wanted.setdefault(old["name"], dict(old))
        for part, value in entry.items():
            if value == _KEEP:
                entry[part] = old.get(part)
    kept = [{part: value for part, value in entry.items() if value and value != _KEEP} for entry in wanted.values()]
    return sorted(kept, key=lambda entry: str(entry["name"]))


def _by_name(have: list[Any], edits: list[Any]) -> list[Any]:
    wanted = {entry["name"]: entry for entry in (*have, *edits)}
    return [wanted[name] for name in sorted(wanted)]


# --- labels and annotations ----------------------------------------------------------------------------------------


def _add_labels(out: dict[str, Any], edits: Mapping[str, Any]) -> None:
    """``commonLabels``, or an entry of ``labels`` that leaves selectors alone."""
    pairs, force = edits["commonLabels"], bool(edits.get("forceCommonLabels"))
    templates = bool(edits.get("labelIncludeTemplates"))
    if not edits.get("labelWithoutSelector"):
        if templates:
            message = "--without-selector flag must be specified for --include-templates to work"
            raise KustomizeProblem(message, field="labelIncludeTemplates")
        out["commonLabels"] = _added(out.get("commonLabels") or {}, pairs, "label", force=force)
        return
    entries = [dict(entry) for entry in out.get("labels") or ()]
    for entry in entries:
        if not entry.get("includeSelectors") and bool(entry.get("includeTemplates")) == templates:
            entry["pairs"] = _added(entry.get("pairs") or {}, pairs, "label", force=force)
            break
    else:
        entries.append({"pairs": _added({}, pairs, "label", force=force), "includeTemplates": templates})
    out["labels"] = entries


def _added(have: Mapping[str, Any], pairs: Mapping[str, Any], what: str, *, force: bool) -> dict[str, Any]:
    out = dict(have)
    for name, value in pairs.items():
        if name in out and not force:
            message = f"{what} {name} already in kustomization file. Use --force to override."
            raise KustomizeProblem(message, field="commonLabels" if what == "label" else "commonAnnotations")
        text = text_of(value)
        out[name] = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return out


# --- components ----------------------------------------------------------------------------------------------------


def _with_components(files: Files, folder: str, have: list[Any], paths: list[Any]) -> list[Any]:
    """Each path may be a pattern; one that is there already is not added again."""
    out = list(have)
    for path in map(str, paths):
        found = [path] if is_remote(path) else list(_matching(files, folder, path)) or [path]
        out += [one for one in found if one not in out]
    return out


def _matching(files: Files, folder: str, pattern: str) -> Iterator[str]:
    """The paths that a pattern names, relative as it is; a star stays within a name, and hidden names are left out."""
    found = [""]
    for part in pattern.split("/"):
        if any(sign in part for sign in "*?["):
            found = [
                f"{start}{name}/"
                for start in found
                for name in files.list(join(folder, start) or "")
                if not name.startswith(".") and fnmatchcase(name, part)
            ]
        else:
            found = [f"{start}{part}/" for start in found]
        found = [start for start in found if _is_there(files, folder, start)]
    return (start.rstrip("/") for start in found)


def _is_there(files: Files, folder: str, path: str) -> bool:
    place = join(folder, path)
    return place is not None and files.kind(place) != "none"
