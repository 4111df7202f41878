"""One call over the wire, put to two servers; what each answered, without what no two servers have the same.

The runner sends; the sequences make the calls. A body may hold marks (``{uid}``, ``{version}``) that are filled with what the
server at hand said of the object last, or be a change to what it said last.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

Json = dict[str, Any]
OWN = frozenset(
    {
        "uid", "resourceVersion", "creationTimestamp", "time", "username", "groups", "extra", "clusterIP", "clusterIPs",
        "nodePort", "healthCheckNodePort", "deletionTimestamp", "selfLink", "lastTransitionTime", "lastUpdateTime", "continue",
        "retryAfterSeconds",
    }
)  # fmt: skip
"""What no two servers have the same."""
HEADERS = ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Retry-After", "Location", "Allow")
"""Of an answer: those that tell a client something and do not follow from the length of a name."""
_ADDRESS = re.compile(r"\b10\.(?:0|96)\.\d+\.\d+\b")
_PORT = re.compile(r":3[0-2]\d{3}/")
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"((?:ResourceVersion|resourceVersion|resource version)[^:0-9]*:? ?)\d+")
_MADE = re.compile(r"(gen-|Bad_|x{58}|kube-api-access-)[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9])")
_GO_TYPE = re.compile(r"(json: cannot unmarshal \w+(?: [-\d.]+)?) into Go .*", re.DOTALL)
"""The names of Go's types and of the structs that hold them tell no client anything."""
_AGE = re.compile(r"^\d+s$")
_MOMENT = re.compile(r"20[2-9]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d{4} UTC|Z)?( m=\S+)?")
JSON, MERGE, STRATEGIC = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
APPLY = "application/apply-patch+yaml"


@dataclass(slots=True)
class Call:
    """A request; ``about`` is the path of the object it is about, ``change`` what it does to the object last seen there."""

    note: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    about: str = ""
    change: Callable[[Json], Any] | None = None
    content: str = "application/json"
    accept: str = "application/json"

    def show(self) -> str:
        """For people."""
        query = "&".join(f"{key}={quote(value)}" for key, value in self.query.items())
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body) if self.body is not None else ""
        accept = "" if self.accept == "application/json" else f" as {self.accept}"
        asked = f"{self.method} {self.path}{'?' + query if query else ''}"
        return f"{self.note}: {asked} {self.content if body else ''} {body!s}{accept}"


@dataclass(slots=True)
class Side:
    """One of the two servers, and what it said of each object of one sequence."""

    session: aiohttp.ClientSession
    url: str
    seen: dict[str, Json] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    page: str = ""

    def fresh(self) -> Side:
        """For another sequence."""
        return Side(self.session, self.url)

    async def send(self, call: Call) -> Json:
        """Code, warnings and content of the answer, comparable."""
        query = {key: self._filled(value, call) for key, value in call.query.items()}
        headers = {"Accept": call.accept}
        body = self._body(call)
        if body is not None:
            headers["Content-Type"] = call.content
        path = self._filled(call.path, call)
        try:
            async with self.session.request(
                call.method, self.url + path, params=query, data=body, headers=headers
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientError as problem:
            raise ConnectionError(f"{self.url}: {problem!r} at {call.show()}") from problem
        warnings = [
            _UID.sub("UID", re.sub(r"\d+", "N", text) if "metadata.resourceVersion" in text else text)
            for text in answer.headers.getall("Warning", ())
        ]
        told = self._told(call, answer.status, sorted(warnings), content)
        told["headers"] = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
        return told

    def _body(self, call: Call) -> bytes | None:
        body = call.body
        if call.change is not None:
            live = copy.deepcopy(self.seen.get(call.about) or {"metadata": {}})
            body = call.change(live)
            body = live if body is None else body
        if body is None or isinstance(body, bytes):
            return body
        # Without white space, for genuine servers compare data that is any JSON byte by byte.
        return self._filled(json.dumps(body, separators=(",", ":")), call).encode()

    def _filled(self, text: str, call: Call) -> str:
        if "{" not in text:
            return text
        metadata = (self.seen.get(call.about) or {}).get("metadata") or {}
        text = text.replace("{uid}", metadata.get("uid", "0b4c1a8e-5f5c-4c0c-9d3b-000000000000"))
        text = text.replace("{version}", metadata.get("resourceVersion", "1")).replace("{page}", self.page)
        for mark, name in self.made.items():
            text = text.replace(mark, name)
        return text

    def _told(self, call: Call, code: int, warnings: list[str], content: bytes) -> Json:
        try:
            found = orjson.loads(content) if content else {}
        except orjson.JSONDecodeError:
            return {"code": code, "warnings": warnings, "text": content.decode(errors="replace")[:2000]}
        if not isinstance(found, dict):
            return {"code": code, "warnings": warnings, "content": found}
        told: Json = {"code": code, "warnings": warnings}
        if found.get("kind") == "Status" and found.get("apiVersion") == "v1":
            details = found.get("details")
            if code >= 400 and details and details.get("causes") and "conflict" in found.get("message", ""):
                details["causes"].sort(key=lambda cause: (cause.get("message", ""), cause.get("field", "")))
                head, *lines = found["message"].split("\n")
                found["message"] = "\n".join(
                    [re.sub(r'conflict with ".*?"', "conflict with ONE", head), *sorted(lines)]
                )
            if found.get("reason") == "Invalid" and details and details.get("causes"):
                _settle_invalid(found)
            told["status"] = self._plain(found)
            return told
        for column in found.get("columnDefinitions") or ():
            column.pop("description", None)
        self._note(call, found)
        told["content"] = self._plain(found)
        return told

    def _note(self, call: Call, found: Json) -> None:
        metadata = found.get("metadata") or {}
        if "items" in found or "rows" in found:
            self.page = metadata.get("continue", "")
            return
        lead = metadata.get("generateName")
        made = bool(lead) and metadata.get("name", "").startswith(lead) and metadata["name"] != lead
        if call.about and metadata.get("uid") and "dryRun" not in call.query and call.accept == "application/json":
            if made and call.method == "POST":
                self.made[f"{{made{len(self.made)}}}"] = metadata["name"]
            if "/scale" not in call.path:
                self.seen[call.about] = found
        if made and metadata["name"] not in self.made.values():
            self.made[f"{{other{len(self.made)}}}"] = metadata["name"]

    def _plain(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            found = {}
            for name, inner in value.items():
                if name.startswith("k:"):
                    name = _MADE.sub(r"\1MADE", name)
                if name in OWN:
                    if inner:
                        found[name] = "own"
                elif inner is not None and inner != []:  # read back from protobuf, an empty list is none
                    found[name] = self._plain(inner, name)
            if found.get("annotations") == {}:
                del found["annotations"]
            return found
        if isinstance(value, list):
            found_list = [self._plain(inner) for inner in value]
            if key == "managedFields":
                found_list.sort(
                    key=lambda entry: (entry["operation"], entry.get("manager", ""), entry.get("subresource", ""))
                )
            return found_list
        if not isinstance(value, str):
            return value
        for mark, name in self.made.items():
            value = value.replace(name, mark)
        value = _MADE.sub(r"\1MADE", _UID.sub("UID", value))
        if value.startswith("json: ") or "json: cannot" in value:
            value = _GO_TYPE.sub(r"\1", value)
        elif "cannot convert int64 to" in value:
            value = value.partition("cannot convert int64 to")[0]
        if value.startswith("failed to create typed patch object"):
            value = _settle_typed(value)
        if " in scheme " in value:
            value = value.partition(" in scheme ")[0]
        if " is missing in '" in value:
            value = value.partition(" is missing in '")[0]
        value = _PORT.sub(":PORT/", _ADDRESS.sub("ADDRESS", value))
        value = _AGE.sub("AGE", value)
        if "ersion" in value:
            value = _VERSION.sub(r"\1N", value)
        return _MOMENT.sub("MOMENT", value) if "20" in value else value


def essence(told: Json) -> Json:
    """What must be equal: the code, the reason of a refusal, and every object, owners of its fields among them.

    What else an answer tells, a message and its causes, warnings, headers, cells of Tables, is the matter of its wording.
    """
    found: Json = {"code": told["code"]}
    status, content = told.get("status"), told.get("content")
    if status is not None:
        reason = {name: status[name] for name in ("reason", "status", "code") if name in status}
        found["status"] = reason if told["code"] >= 400 else {**status, "message": None}
    elif isinstance(content, dict) and "columnDefinitions" in content:
        rows = [row.get("object") for row in content.get("rows") or ()]
        found["content"] = {**content, "columnDefinitions": None, "rows": rows}
    elif told["code"] < 400:
        found["content"] = content if content is not None else told.get("text")
    return found


_UNDECLARED = re.compile(r"^(.*)\.[^.\]]+: field not declared in schema$")


def _settle_typed(message: str) -> str:
    """What does not fit, in one order.

    Kubernetes goes through a map in random order and no further at a field that is not declared: of such, the map that is
    nearest to the root is all that is always told.
    """
    head, _, rest = message.partition("): ")
    lines = sorted(line.strip() for line in rest.removeprefix("errors:").split("\n") if line.strip())
    undeclared = [found[1] for line in lines if (found := _UNDECLARED.match(line))]
    if not undeclared:
        return "\n".join([head, *lines])
    nearest = min(map(_depth, undeclared))
    return "\n".join([head, *sorted({f"{where}: not declared" for where in undeclared if _depth(where) == nearest})])


def _depth(path: str) -> int:
    return re.sub(r"\[[^\]]*\]", ".", path).count(".")


_ECHO = re.compile(r"^(Invalid value: )(?:[\[{].*[\]}]|\"\{.*\}\"|\"map\[.*\]\"): ", re.DOTALL)


_STRUCTS = (
    "Forbidden: pod updates may not change",
    "Forbidden: spec is immutable after creation except",
    "Forbidden: spec.persistentvolumesource is immutable after creation",
)


def _settle_invalid(status: Json) -> None:
    """Each cause once, in one order; echoed objects are left out, for Kubernetes prints them as its own Go structs.

    The message says the causes again, so its head alone is kept.
    """
    found = {}
    for cause in status["details"]["causes"]:
        cause["message"] = _ECHO.sub(r"\1OBJECT: ", cause.get("message", ""))
        for lead in _STRUCTS:
            if cause["message"].startswith(lead):
                cause["message"] = lead  # what follows are Go's structs, line by line
        found[cause.get("field", ""), cause["message"]] = cause
    status["details"]["causes"] = [found[key] for key in sorted(found)]
    status["message"] = status["message"].partition(" is invalid: ")[0]
