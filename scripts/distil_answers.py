"""Distils what a kube-apiserver says of its built-in kinds: the columns of their Tables, and what their schemas tell of words.

Give it the kubeconfig of a cluster that serves every kind; `kubectl` on the PATH lends its identity:

    .venv/bin/python scripts/distil_answers.py KUBECONFIG

- `src/trueup/apiserver/columns.json`: `{"group/Kind": {column: description}}`; what several kinds say stands once, under `*`.
- `src/trueup/apiserver/parameters.json`: `{where: {parameter: [type, description]}}`, of an action, of a subresource
  (`pods/log`), or of all (`*`).
- `src/trueup/kube/types/words.json`: `{definition: {property: {"enum", "told", "default"}}}`, a property's name with `[]` for
  the items of a list or a map, none for a scalar: the words that it may hold, what is told of them after the description,
  and what it is when nothing is said. The published definitions that `distil_types` reads have none of these.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "src/trueup"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_TOLD = "Possible enum values:"
_SCALE = "io.k8s.api.autoscaling.v1.Scale"
_RARE = 20
"""Operations that have a parameter before it is one of all."""
_OFTEN = 3
"""Kinds that say the same of a column before it stands under `*`."""

Columns = dict[str, dict[str, str]]
Words = dict[str, dict[str, dict[str, Any]]]


def main(kubeconfig: str) -> None:
    """Ask for everything, write both tables."""
    with proxy(kubeconfig) as server:
        columns = shared(dict(read_columns(server)))
        documents = list(read_documents(server))
    words = {name: found for document in documents for name, found in read_words(document)}
    for path, found in (
        ("apiserver/columns.json", columns),
        ("apiserver/parameters.json", read_parameters(documents)),
        ("kube/types/words.json", words),
    ):
        text = json.dumps(found, sort_keys=True, indent=0, separators=(",", ":"), ensure_ascii=False)
        (SOURCE / path).write_text(text + "\n")
        print(f"{path}: {len(found)} entries, {len(text)} bytes")


@contextmanager
def proxy(kubeconfig: str) -> Iterator[str]:
    """Where the cluster answers without asking who calls."""
    command = ["kubectl", f"--kubeconfig={kubeconfig}", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield "http://" + process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def ask(address: str, accept: str = "application/json") -> Any:
    """One answer."""
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": accept})) as answer:  # noqa: S310
        return json.load(answer)


def read_columns(server: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each kind that can be listed, what its columns are said to mean."""
    groups = ask(f"{server}/apis")["groups"]
    for group in ["/api/v1", *(f"/apis/{each['preferredVersion']['groupVersion']}" for each in groups)]:
        for resource in ask(server + group)["resources"]:
            if "list" in resource["verbs"]:
                heads = ask(f"{server}{group}/{resource['name']}?limit=1", _TABLE)["columnDefinitions"]
                name = group.removeprefix("/apis/").rpartition("/")[0].removeprefix("/api")
                yield f"{name}/{resource['kind']}", {each["name"]: each["description"] for each in heads}
    scale = ask(f"{server}/openapi/v3/apis/apps/v1")["components"]["schemas"]
    replicas = {name: scale[f"{_SCALE}{name}"]["properties"]["replicas"]["description"] for name in ("Spec", "Status")}
    yield "autoscaling/Scale", {"Desired": replicas["Spec"], "Available": replicas["Status"]}


def shared(found: Columns) -> Columns:
    """With what several kinds say of a column standing once."""
    said = Counter((name, text) for columns in found.values() for name, text in columns.items())
    often: dict[str, str] = {}
    for (name, text), times in said.most_common():
        if times >= _OFTEN:
            often.setdefault(name, text)
    own = {
        kind: {name: text for name, text in columns.items() if often.get(name) != text}
        for kind, columns in found.items()
    }
    return {"*": often, **{kind: columns for kind, columns in own.items() if columns}}


def read_documents(server: str) -> Iterator[dict[str, Any]]:
    """What is published of every group's versions."""
    for path, where in ask(f"{server}/openapi/v3")["paths"].items():
        if "openid" not in path:
            yield ask(server + where["serverRelativeURL"])


def read_words(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Of each definition, what its properties hold beside their types."""
    for name, schema in document["components"].get("schemas", {}).items():
        found = {"": {"told": schema["description"]}} if "oneOf" in schema else {}
        found |= {
            called: told
            for key, value in schema.get("properties", {}).items()
            for called, told in of_property(key, value)
        }
        if found:
            yield name, found


def read_parameters(documents: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Of each parameter of a query its type and what it means; where it is said otherwise, for whom."""
    seen: dict[str, Counter[tuple[str, str]]] = {}
    special: dict[str, dict[str, list[str]]] = {}
    for document in documents:
        for path, methods in document["paths"].items():
            part = "/".join(path.removesuffix("/{path}").split("/{name}/")).rpartition("}/")[2].split("/")[-2:]
            for operation in (each for key, each in methods.items() if key != "parameters"):
                action = operation.get("x-kubernetes-action", "")
                for each in (*methods.get("parameters", ()), *operation.get("parameters", ())):
                    if each["in"] == "query":
                        told = (each["schema"]["type"], each["description"])
                        seen.setdefault(each["name"], Counter())[told] += 1
                        where = action if action == "patch" else "/".join(part)
                        special.setdefault(where, {})[each["name"]] = list(told)
    often = {name: list(counted.most_common(1)[0][0]) for name, counted in seen.items()}
    rare = {name for name, counted in seen.items() if counted.total() < _RARE or name == "path"}
    out = {"*": {name: told for name, told in often.items() if name not in rare}}
    for where, named in special.items():
        own = {name: told for name, told in named.items() if name in rare or told != often[name]}
        if own:
            out[where] = own
    return out


def of_property(key: str, value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is told of a property, and of the items that it holds."""
    told: dict[str, Any] = {name: value[name] for name in ("enum", "default") if name in value}
    before, mark, after = value.get("description", "").partition(_TOLD)
    if mark:
        told["told"] = before[len(before.rstrip()) :] + mark + after
    if told:
        yield key, told
    below = value.get("items") or value.get("additionalProperties")
    if isinstance(below, dict):
        yield from of_property(key + "[]", below)


if __name__ == "__main__":
    main(sys.argv[1])
