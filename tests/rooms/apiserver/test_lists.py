"""Lists: order, selection, pages that belong together, resource versions."""

import pytest

from tests.rooms.apiserver.web import MAP, MAPS, Web, config_map, ref
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.problems import BadRequest, Expired


async def make(client: InProcessClient, *names: str) -> None:
    for name in names:
        await client.create(config_map(name, {"first": name[0]}))


def names(listing: dict[str, object]) -> list[str]:
    return [item["metadata"]["name"] for item in listing["items"]]  # type: ignore[attr-defined]


async def test_a_list_says_its_kind_and_version(client: InProcessClient, web: Web, hub: Hub) -> None:
    """Kind, version and revision head the list; items come in the order of names."""
    await make(client, "b", "a", "c")

    listing = await web.get(MAPS)

    assert (listing["kind"], listing["apiVersion"]) == ("ConfigMapList", "v1")
    assert listing["metadata"] == {"resourceVersion": str(hub.store.revision)}
    assert names(listing) == ["a", "b", "c"]


async def test_an_empty_list_has_items(web: Web) -> None:
    """An empty list, not an absent one."""
    assert (await web.get(MAPS))["items"] == []


async def test_all_namespaces_come_in_order(client: InProcessClient, web: Web) -> None:
    """By namespace, then by name."""
    await client.create(config_map("z", space="default"))
    await client.create(config_map("a", space="kube-public"))
    await client.create(config_map("b", space="default"))

    found = await web.get("/api/v1/configmaps")

    assert [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in found["items"]] == [
        ("default", "b"), ("default", "z"), ("kube-public", "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "fields", "expected"),
    [
        ("first=a", "", ["a1", "a2"]),
        ("first in (a, b),first!=b", "", ["a1", "a2"]),
        ("!first", "", []),
        ("", "metadata.name=b1", ["b1"]),
        ("", "metadata.name!=b1,metadata.namespace=default", ["a1", "a2"]),
        ("first=a", "metadata.name=b1", []),
    ],
)
async def test_selectors_choose(
    client: InProcessClient, web: Web, labels: str, fields: str, expected: list[str]
) -> None:
    """Labels and fields, alone and together."""
    await make(client, "a1", "a2", "b1")

    assert names(await web.get(MAPS, labelSelector=labels, fieldSelector=fields)) == expected


async def test_fields_that_a_kind_does_not_select_by_are_refused(client: InProcessClient) -> None:
    """With Kubernetes' words."""
    with pytest.raises(BadRequest, match=r'"data\.x" is not a known field selector'):
        await client.list(MAP, "default", fields="data.x=1")


async def test_pages_say_what_remains(client: InProcessClient, web: Web) -> None:
    """The token leads to the next page; the last page has none."""
    await make(client, "a", "b", "c", "d", "e")

    first = await web.get(MAPS, limit=2)
    second = await web.get(MAPS, limit=2, **{"continue": first["metadata"]["continue"]})
    third = await web.get(MAPS, limit=2, **{"continue": second["metadata"]["continue"]})

    assert [names(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page["metadata"].get("remainingItemCount") for page in (first, second, third)] == [3, 1, None]
    assert "continue" not in third["metadata"]


async def test_pages_belong_to_one_moment(client: InProcessClient) -> None:
    """What is created, changed and deleted between pages shows in none of them."""
    await make(client, "a", "b", "c", "d")
    first = await client.list(MAP, "default", limit=2)
    await client.create(config_map("bb"))
    await client.delete(ref("c"))
    await client.patch(ref("d"), {"data": {"x": "new"}}, "merge")

    second = await client.list(MAP, "default", limit=2, page=first.next_page)

    assert [item["metadata"]["name"] for item in second.items] == ["c", "d"]
    assert "data" not in second.items[1]
    assert second.revision == first.revision


async def test_a_page_that_is_too_late_says_how_to_go_on(
    client: InProcessClient, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """410 with a token that goes on with what is there now."""
    monkeypatch.setattr("trueup.store.history.WINDOW", 2)
    await make(client, "a", "b", "c")
    first = await web.get(MAPS, limit=1)
    await make(client, "d", "e", "f")

    late = await web.ask("GET", MAPS, limit=1, **{"continue": first["metadata"]["continue"]})
    on = await web.get(MAPS, **{"continue": late.json["metadata"]["continue"]})

    assert (late.status, late.json["reason"]) == (410, "Expired")
    assert names(on) == ["b", "c", "d", "e", "f"]


@pytest.mark.parametrize("token", ["nonsense", "eyJ2IjoxfQ==", "eyJ2IjoiMSIsImEiOlsxLDJdfQ=="])
async def test_a_token_of_somebody_elses_making_is_refused(client: InProcessClient, token: str) -> None:
    """It is the client's mistake, not the server's."""
    with pytest.raises(BadRequest, match="continue key is not valid"):
        await client.list(MAP, "default", page=token)


async def test_a_list_as_it_was(client: InProcessClient, web: Web) -> None:
    """``Exact`` lists the past; ``NotOlderThan`` is content with the present."""
    await make(client, "a")
    then = (await web.get(MAPS))["metadata"]["resourceVersion"]
    await make(client, "b")

    exact = await web.get(MAPS, resourceVersion=then, resourceVersionMatch="Exact")
    present = await web.get(MAPS, resourceVersion=then, resourceVersionMatch="NotOlderThan")

    assert (names(exact), exact["metadata"]["resourceVersion"]) == (["a"], then)
    assert names(present) == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"resourceVersionMatch": "Exact"}, 422, "forbidden unless resourceVersion is provided"),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422, 'forbidden for resourceVersion "0"'),
        ({"resourceVersion": "1", "resourceVersionMatch": "Newest"}, 422, 'Unsupported value: "Newest"'),
        ({"resourceVersion": "x"}, 400, 'invalid resource version: resourceVersion: Invalid value: "x"'),
        ({"resourceVersion": "99999"}, 504, "Too large resource version: 99999, current: "),
        ({"limit": "many"}, 400, 'parsing "many": invalid syntax'),
        ({"labelSelector": "a=="}, 200, ""),
        ({"labelSelector": "a b"}, 400, "unable to parse requirement"),
    ],
)
async def test_what_cannot_be_listed_is_refused(web: Web, query: dict[str, str], status: int, message: str) -> None:
    """With the status and words that clients know."""
    answer = await web.ask("GET", MAPS, **query)

    assert answer.status == status
    assert message in answer.json.get("message", "")


async def test_the_past_is_not_kept_for_ever(client: InProcessClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are forgotten cannot be watched."""
    monkeypatch.setattr("trueup.store.history.WINDOW", 2)
    await make(client, "a", "b", "c", "d")

    with pytest.raises(Expired, match="too old resource version"):
        async for _ in client.watch(MAP, "default", revision="1"):
            pass
