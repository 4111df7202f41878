"""What the server counts, as Prometheus reads it: `trueup.apiserver.counting`."""

from prometheus_client.parser import text_string_to_metric_families

from tests.rooms.apiserver.web import MAP, MAPS, Web, config_map, until
from trueup.apiserver.counting import CALLING, Counts
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.path import parse


def samples(counts: Counts, name: str, *labels: str, **chosen: str) -> dict[tuple[str, ...], float]:
    """The samples of a series that have some labels, by the values of others."""
    families = text_string_to_metric_families(counts.page().decode())
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and chosen.items() <= sample.labels.items()
    }


async def test_requests_are_counted_by_what_they_want(hub: Hub, web: Web) -> None:
    """Kubernetes' words for verbs and scopes, with the code of the answer."""
    await web.ask("POST", MAPS, config_map("a"))
    await web.ask("POST", MAPS, config_map("a"))
    await web.ask("POST", MAPS, config_map("b"), dryRun="All")
    await web.ask("GET", f"{MAPS}/a")
    await web.ask("GET", f"{MAPS}/b")
    await web.ask("GET", MAPS)
    await web.ask("GET", "/api/v1/configmaps")
    await web.ask("DELETE", MAPS)

    counted = samples(
        hub.counts, "apiserver_request_total", "verb", "scope", "code", "dry_run", resource="configmaps", version="v1"
    )

    assert counted == {
        ("POST", "resource", "201", ""): 1,
        ("POST", "resource", "409", ""): 1,
        ("POST", "resource", "201", "All"): 1,
        ("GET", "resource", "200", ""): 1,
        ("GET", "resource", "404", ""): 1,
        ("LIST", "namespace", "200", ""): 1,
        ("LIST", "cluster", "200", ""): 1,
        ("DELETECOLLECTION", "namespace", "200", ""): 1,
    }


async def test_how_long_requests_took_is_a_histogram(hub: Hub, web: Web) -> None:
    """Its buckets add up, and end with all of them."""
    for _ in range(3):
        await web.ask("GET", MAPS)

    name = "apiserver_request_duration_seconds"
    buckets = list(samples(hub.counts, f"{name}_bucket", "le", verb="LIST", resource="configmaps").items())

    assert buckets == sorted(buckets, key=lambda each: (each[1], float(each[0][0])))
    assert buckets[-1] == (("+Inf",), 3)
    assert samples(hub.counts, f"{name}_count", verb="LIST", resource="configmaps") == {(): 3}


async def test_what_nobody_serves_is_counted_together(hub: Hub, web: Web) -> None:
    """Whoever asks for a million different things does not fill the memory."""
    for number in range(5):
        await web.ask("GET", f"/apis/example.com/v1/things{number}/a")
        await web.ask("GET", f"/nowhere/{number}")
        await web.ask("GET", f"{MAPS}/a/part{number}")

    assert samples(hub.counts, "apiserver_request_total", "resource", "subresource", "code") == {
        ("", "", "404"): 10,
        ("configmaps", "", "404"): 5,
    }
    assert len(hub.counts._known) == 1


async def test_watches_are_counted_while_they_go_on(client: InProcessClient, hub: Hub, web: Web) -> None:
    """With the events that they were sent; they are no requests in flight."""
    async with web.watch(MAPS) as watch:
        await client.create(config_map("a"))
        await watch.names(1)

        assert samples(hub.counts, "apiserver_longrunning_requests", "resource", "verb") == {("configmaps", "WATCH"): 1}
        assert samples(hub.counts, "apiserver_current_inflight_requests", "request_kind") == {
            ("readOnly",): 0,
            ("mutating",): 0,
        }
        assert samples(hub.counts, "apiserver_watch_events_total", "group", "version", "resource") == {
            ("", "v1", "configmaps"): 1
        }

    await until(lambda: samples(hub.counts, "apiserver_longrunning_requests", "verb") == {})
    assert samples(hub.counts, "apiserver_request_total", "code", verb="WATCH") == {("200",): 1}


async def test_stored_objects_are_counted(client: InProcessClient, hub: Hub) -> None:
    """By their resource, as of now."""
    before = hub.store.bucket(hub.serves(MAP).storage).count()
    await client.create(config_map("a"))

    assert samples(hub.counts, "apiserver_storage_objects", resource="configmaps") == {(): before + 1}
    assert samples(hub.counts, "apiserver_resource_objects", resource="clusterroles", group="rbac.authorization.k8s.io")


def test_webhooks_are_counted(hub: Hub) -> None:
    """Calls by what they came to, and refusals by their reason; names that need quoting are quoted."""
    counts = hub.counts
    counts.asked('a"b', "admit", "CREATE", 0.2, code=200, rejected=False, error="")
    counts.asked("c", "validating", "UPDATE", 0.2, code=503, rejected=True, error=CALLING)

    common = "apiserver_admission_webhook_"
    assert samples(counts, f"{common}request_total", "name", "type", "code", "rejected") == {
        ('a"b', "admit", "200", "false"): 1,
        ("c", "validating", "503", "true"): 1,
    }
    refused = f"{common}rejection_count_total"  # the parser adds what the name of a counter should end with
    assert samples(counts, refused, "name", "error_type", "rejection_code") == {("c", CALLING, "503"): 1}
    assert samples(counts, f"{common}admission_duration_seconds_count", "name", operation="UPDATE") == {("c",): 1}


async def test_requests_cost_little(hub: Hub) -> None:
    """What is alike is found by one look-up: nothing grows with the number of requests."""
    target = parse(MAPS)
    first = hub.counts.series("GET", MAPS, target, {}, {})

    assert hub.counts.series("GET", MAPS, target, {}, {}) is first
    assert hub.counts.series("GET", MAPS.replace("default", "other"), parse(MAPS), {}, {}) is first
