"""One Jsonnet file -> objects.

Called by `plain`, and by `renderer` for a source that is a single ``.jsonnet`` file. Evaluation happens in a worker
process, which asks back for every import: nothing outside the tree can be imported.

Options: ``{"extVars": [{name, value, code}], "tlas": [...], "libs": [folder from the root, ...]}``. Source: Argo CD's
Jsonnet support; imports are looked for beside the importing file, then in the libraries, the last one first.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import orjson

from trueup.ports import Origin, RenderProblem, Tree
from trueup.render.jobs import Jobs, WorkerProblem
from trueup.render.objects import Found, objects

_PLACE = re.compile(r"(?P<path>[^\s:()]+):(?:\()?(?P<line>\d+):\d+")


def render(tree: Tree, file: str, folder: str, options: Mapping[str, Any], workers: Jobs) -> list[Found]:
    """The objects that a file evaluates to: one, or an array of them. ``folder`` is the source's own."""
    places = [folder, *(str(lib) for lib in options.get("libs") or ())]

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        if "main" in question:
            return {"path": file, "content": tree.read(file)}
        return _import(tree, places, str(question["base"]), str(question["path"]))

    job = {"file": file, **_variables(options)}
    try:
        text = workers.run("jsonnet", job, answer)
    except WorkerProblem as problem:
        raise _problem(str(problem), file) from None
    value = orjson.loads(text)
    origin = Origin(file, 1, "jsonnet")
    return [found for one in (value if isinstance(value, list) else [value]) for found in objects(one, origin)]


def _variables(options: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    out: dict[str, dict[str, str]] = {"ext_vars": {}, "ext_codes": {}, "tla_vars": {}, "tla_codes": {}}
    for field, text, code in (("extVars", "ext_vars", "ext_codes"), ("tlas", "tla_vars", "tla_codes")):
        for variable in options.get(field) or ():
            out[code if variable.get("code") else text][str(variable["name"])] = str(variable.get("value") or "")
    return out


def _import(tree: Tree, places: list[str], base: str, path: str) -> dict[str, Any]:
    """The first file of that name: beside the importer, then in the libraries, last to first."""
    if path.startswith("/"):
        return {"error": f"import of {path!r}: an absolute path leaves the repository"}
    for place in (base, *reversed(places)):
        found = posixpath.normpath(posixpath.join(place, path))
        try:
            if tree.kind(found) == "file":
                return {"path": found, "content": tree.read(found)}
        except PermissionError:
            return {"error": f"import of {path!r} leads out of the repository"}
    return {"error": f"couldn't open import {path!r}: no match in the repository's library paths"}


def _problem(text: str, file: str) -> RenderProblem:
    """The engine's message; the first place that it names is where it went wrong."""
    found = _PLACE.search(text)
    if found and found["path"].startswith("/"):
        return RenderProblem(text, path=found["path"].lstrip("/"), line=int(found["line"]))
    return RenderProblem(text, path=file)
