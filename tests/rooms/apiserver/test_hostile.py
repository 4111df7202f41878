"""Clients that mean no good: bodies that are too much, and none of them is a 500."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms.apiserver.opened import custom, definition
from tests.rooms.apiserver.web import MAPS, Web, config_map

CUSTOM = "/apis/stable.example.com/v1/namespaces/default/crontabs"
JSON, YAML = "application/json", "application/yaml"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
LOOSE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture
async def loose(web: Web) -> Web:
    """With a kind that takes whatever it is given."""
    await web.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(spec=LOOSE))
    await web.post(CUSTOM, custom("there"))
    return web


def deep(levels: int, opening: str = '{"a":', closing: str = "}") -> bytes:
    """A document of so many levels."""
    return (opening * levels + "1" + closing * levels).encode()


@pytest.mark.parametrize("levels", [226, 240, 252, 300, 1_030, 10_000, 100_000])
@pytest.mark.parametrize("shape", ['{"a":}', "[]"])
async def test_deep_documents_are_refused(loose: Web, levels: int, shape: str) -> None:
    """With 400, whichever way they come; what is stored can still be read."""
    body = deep(levels, shape[:-1], shape[-1])
    whole = orjson.dumps(custom("deep"))[:-3] + b'{"a":%b}}' % body
    posts = [await loose.ask("POST", CUSTOM, whole, {"content-type": media}) for media in (JSON, YAML)]
    patches = [
        await loose.ask("PATCH", f"{CUSTOM}/deep", whole, {"content-type": APPLY}, fieldManager="me"),
        await loose.ask("PATCH", f"{CUSTOM}/there", b'{"spec":{"a":%b}}' % body, {"content-type": MERGE}),
        await loose.ask("DELETE", f"{CUSTOM}/there", body),
    ]
    listed = await loose.ask("GET", CUSTOM)

    assert {answer.status for answer in (*posts, *patches)} <= ({200, 201, 400, 404, 409} if levels < 230 else {400})
    assert listed.status == 200


async def test_a_document_does_not_grow_too_deep_by_patches(loose: Web) -> None:
    """Each of which is shallow enough."""
    statuses = []
    for n in range(4):
        value = orjson.loads(deep(100))
        patch = [{"op": "add", "path": "/spec" + "/a" * (100 * n + 1) if n else "/spec", "value": {"a": value}}]
        answer = await loose.ask("PATCH", f"{CUSTOM}/there", patch, {"content-type": "application/json-patch+json"})
        statuses.append(answer.status)

    assert (statuses[0], 400 in statuses, 500 in statuses) == (200, True, False)
    assert (await loose.ask("GET", CUSTOM)).status == 200


@pytest.mark.parametrize("media", [JSON, YAML, APPLY])
async def test_a_map_of_a_million_keys_is_refused(loose: Web, media: str) -> None:
    """Before any work is done with it: what does not fit into a body, and what does."""
    statuses = []
    for count in (120_000, 1_000_000):
        keys = ",".join(f'"{n}":1' for n in range(count))
        body = orjson.dumps(custom("many"))[:-3] + f"{{{keys}}}}}".encode()
        method, path = ("PATCH", f"{CUSTOM}/many") if media == APPLY else ("POST", CUSTOM)
        answer = await loose.ask(method, path, body, {"content-type": media}, fieldManager="me")
        statuses.append((answer.status, answer.json["message"]))

    assert statuses == [
        (413, "Request entity too large: limit is 50000 fields"),
        (413, "Request entity too large: limit is 3145728"),
    ]


async def test_yaml_of_many_nodes_or_documents_is_refused(web: Web) -> None:
    """While it is read, not afterwards."""
    many = b"data:\n" + b"".join(b"  k%d: 1\n" % n for n in range(150_000))
    nodes = await web.ask("POST", MAPS, many, {"content-type": YAML})
    documents = await web.ask("POST", MAPS, b"---\n" * 700_000, {"content-type": YAML})

    assert (nodes.status, nodes.json["message"]) == (413, "Request entity too large: limit is 50000 fields")
    assert documents.status == 422  # the first one counts, and is empty


async def test_what_is_no_utf_8_is_400_in_yaml(web: Web) -> None:
    """In the words of Kubernetes' reader."""
    body = b'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "\xff\xfe"}'
    answer = await web.ask("POST", MAPS, body, {"content-type": YAML})

    assert (answer.status, answer.json["message"]) == (
        400,
        "the object provided is unrecognized (must be of type ConfigMap): yaml: invalid leading UTF-8 octet "
        "(61706956657273696f6e3a2076310a6b696e643a20436f6e6669674d6170 ...)",
    )


async def test_aliases_that_multiply_are_refused(web: Web) -> None:
    """A billion laughs in a few hundred bytes."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(9)]
    answer = await web.ask("POST", MAPS, "\n".join(lines).encode(), {"content-type": YAML})

    assert (answer.status, "excessive aliasing" in answer.json["message"]) == (400, True)


_WORDS = st.sampled_from(
    ["api", "apis", "v1", "apps", "namespaces", "default", "configmaps", "pods", "a", "status", "log", "scale", "proxy",
     "exec", "watch", "binding", "eviction", "token", "", ".", "..", "%2e", "openapi", "v3", "healthz", "readyz", "livez",
     "ping", "metrics", "version", "apiextensions.k8s.io", "customresourcedefinitions", "nodes", "\x00", "ü", "*"]
)  # fmt: skip
_QUERY = st.sampled_from(
    ["watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "dryRun",
     "fieldManager", "fieldValidation", "force", "timeout", "timeoutSeconds", "sendInitialEvents", "pretty", "verbose",
     "allowWatchBookmarks", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "tailLines", "exclude"]
)  # fmt: skip
_VALUE = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["1", "-1", "0", "true", "All", "Exact", "NotOlderThan", "a=b", "a in (b", "metadata.name=a", "9" * 40]
    ),
)
_HEADERS = st.dictionaries(
    st.sampled_from(
        ["accept", "content-type", "accept-encoding", "impersonate-user", "impersonate-group", "user-agent", "if-match",
         "impersonate-uid", "impersonate-extra-a", "content-length", "range", "connection"]
    ),
    st.one_of(
        st.text(max_size=30).map(lambda text: text.encode("latin-1", "replace").decode("latin-1")),
        st.sampled_from([JSON, YAML, APPLY, MERGE, "application/json;as=Table;v=v1;g=meta.k8s.io", "*/*;q=2", ";;,,",
                         "application/vnd.kubernetes.protobuf", "application/json-patch+json", "gzip;q=0"]),
    ),
    max_size=4,
)  # fmt: skip
_LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
_TREE = st.recursive(
    _LEAF,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["kind", "apiVersion", "metadata", "name", "data", "spec", "op", "path", "labels", "items"]
            ),
            below,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
_BODY = st.one_of(
    st.binary(max_size=60),
    _TREE.map(lambda tree: orjson.dumps(tree, default=str) if _fits(tree) else b"{"),
    st.just(orjson.dumps(config_map("a"))),
)


def _fits(tree: object) -> bool:
    try:
        orjson.dumps(tree)
    except TypeError:
        return False
    return True


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", ""]),
    words=st.lists(_WORDS, min_size=1, max_size=7),
    query=st.dictionaries(_QUERY, _VALUE, max_size=3),
    headers=_HEADERS,
    body=_BODY,
)
async def test_no_request_is_a_500(
    web: Web, method: str, words: list[str], query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    """Whatever its parts are."""
    query.pop("watch", None)
    answer = await web.ask(method, "/" + "/".join(words), body, headers, **query)

    assert answer.status < 500 or answer.status in (501, 503, 504), answer.body


_POSTED = {
    "TokenReview": "/apis/authentication.k8s.io/v1/tokenreviews",
    "SubjectAccessReview": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    "Binding": "/api/v1/namespaces/default/bindings",
    "Binding of a pod": "/api/v1/namespaces/default/pods/p/binding",
    "Eviction": "/api/v1/namespaces/default/pods/p/eviction",
}


@pytest.mark.parametrize("what", _POSTED)
@pytest.mark.parametrize(
    "metadata", [["x"], "x", {"managedFields": "x"}, {"creationTimestamp": {}}, {"creationTimestamp": ""}, {"name": 5}]
)
async def test_what_is_never_stored_is_read_as_strictly(web: Web, what: str, metadata: object) -> None:
    """A value of the wrong type is the client's mistake, not an error of the server."""
    answer = await web.ask("POST", _POSTED[what], {"metadata": metadata})

    assert answer.status == 400
