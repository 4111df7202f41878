"""What the audit log says of requests over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.rooms.apiserver.web import DEPLOYMENTS, MAPS, Clock, Web, config_map, deployment
from trueup.apiserver.asgi import Application
from trueup.apiserver.audit.log import AuditLog
from trueup.apiserver.audit.policy import METADATA, Policy, parse_policy
from trueup.apiserver.audit.recorder import Audit
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Request, Response
from trueup.kube.names import Object

SECRETS = "/api/v1/namespaces/default/secrets"


class Log:
    """A cluster's audit log, read when it is complete."""

    def __init__(self, application: Application, hub: Hub, path: Path) -> None:
        self.application, self._hub, self._path = application, hub, path

    def begin(self, policy: Policy = METADATA) -> None:
        """Tell of everything from now on."""
        self.application.audit = Audit(policy, AuditLog(str(self._path), self._hub.clock.now), self._hub)

    def events(self) -> list[Any]:
        """All that was told."""
        assert self.application.audit is not None
        self.application.audit.close()
        self.application.audit = None
        return [orjson.loads(line) for line in self._path.read_bytes().splitlines()]


@pytest.fixture
def log(application: Application, hub: Hub, tmp_path: Path) -> Log:
    """An audit log that is not begun."""
    return Log(application, hub, tmp_path / "audit.log")


def everything(level: str = "RequestResponse", **whole: Any) -> Policy:
    rules = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": level}]}
    return parse_policy({"omitStages": ["RequestReceived"], **rules, **whole})


async def test_a_request_is_told_twice(web: Web, log: Log, clock: Clock) -> None:
    """When it comes and when it is answered, under one identity that the client gets too."""
    log.begin()
    answer = await web.ask("GET", f"{MAPS}/kube-root-ca.crt", headers={"x-forwarded-for": "192.0.2.7"}, pretty="true")
    received, complete = log.events()

    at = "2027-01-15T08:00:00.000000Z"
    same: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": answer.headers["audit-id"],
        "requestURI": f"{MAPS}/kube-root-ca.crt?pretty=true",
        "verb": "get",
        "user": {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["192.0.2.7"],
        "userAgent": "tester/1.0",
        "objectRef": {
            "resource": "configmaps",
            "namespace": "default",
            "name": "kube-root-ca.crt",
            "apiVersion": "v1",
        },
        "requestReceivedTimestamp": at,
        "stageTimestamp": at,
    }
    assert {**same, "stage": "RequestReceived"} == received
    status = {
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "kube-root-ca.crt" not found',
        "reason": "NotFound",
        "details": {"name": "kube-root-ca.crt", "kind": "configmaps"},
        "code": 404,
    }
    decision = {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}
    assert {**same, "stage": "ResponseComplete", "responseStatus": status, "annotations": decision} == complete


async def test_bodies_as_the_policy_says(web: Web, log: Log) -> None:
    """The object as it was read, with its defaults, and the object as it was answered."""
    log.begin(everything(omitManagedFields=True))
    await web.post(DEPLOYMENTS, deployment("shop"))
    (event,) = log.events()
    assert (
        event["objectRef"]["name"],
        event["requestObject"]["spec"]["replicas"],
        event["requestObject"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"],
    ) == ("shop", 1, "25%")
    assert "managedFields" not in event["responseObject"]["metadata"]
    assert "uid" in event["responseObject"]["metadata"]
    assert event["responseStatus"] == {"metadata": {}, "code": 201}


@pytest.mark.parametrize(
    "wrong", [{"spec": "x"}, {"spec": {"template": {"spec": {"containers": [1]}}}}, {"metadata": 1}]
)
async def test_objects_that_cannot_be_read(web: Web, log: Log, wrong: Object) -> None:
    """They are refused as ever, and the log says so without them."""
    log.begin(everything())
    answer = await web.ask("POST", DEPLOYMENTS, {**deployment("shop"), **wrong})
    (event,) = log.events()
    assert (answer.status, event["responseStatus"]["code"]) == (400, 400)
    assert "requestObject" not in event


async def test_requests_without_answers(web: Web, log: Log) -> None:
    """``Request`` has what was sent alone: objects, patches, options of a deletion."""
    log.begin(everything("Request"))
    await web.post(MAPS, config_map("a", x="1"))
    merge = {"content-type": "application/merge-patch+json"}
    await web.ask("PATCH", f"{MAPS}/a", {"data": {"x": "2"}}, headers=merge)
    await web.ask("DELETE", f"{MAPS}/a", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    events = log.events()
    assert not any("responseObject" in event for event in events)
    options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal", "gracePeriodSeconds": 0}
    assert [{"x": "1"}, {"data": {"x": "2"}}, options] == [
        events[0]["requestObject"]["data"],
        events[1]["requestObject"],
        events[2]["requestObject"],
    ]
    assert events[2]["responseStatus"]["status"] == "Success"


async def test_secrets_stay_out_of_metadata(web: Web, log: Log) -> None:
    """Nothing of a body is in the file unless the policy says so, whatever becomes of the request."""
    log.begin()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    await web.post(SECRETS, secret)
    await web.ask("POST", SECRETS, secret)
    await web.get(SECRETS)
    assert b"aHVudGVyMg==" not in orjson.dumps(events := log.events())
    assert b"hunter2" not in orjson.dumps(events)
    assert [e["responseStatus"]["code"] for e in events if e["stage"] == "ResponseComplete"] == [201, 409, 200]


async def test_a_watch_is_told_when_it_starts_and_when_it_ends(web: Web, log: Log) -> None:
    """Its events are not."""
    log.begin()
    async with web.watch(MAPS, timeoutSeconds="100"):
        pass
    events = log.events()
    assert [event["stage"] for event in events] == ["RequestReceived", "ResponseStarted", "ResponseComplete"]
    assert {"watch"} == {event["verb"] for event in events}


async def test_nobody_is_told_of_too(application: Application, log: Log) -> None:
    """A request with a wrong token, once."""
    log.begin(everything())
    await Web(application, "wrong").ask("GET", MAPS)
    (event,) = log.events()
    assert (event["stage"], event["user"], event["responseStatus"]["code"]) == ("ResponseStarted", {}, 401)
    assert "annotations" not in event


async def test_somebody_in_anothers_name(web: Web, log: Log) -> None:
    """Both are told; what is forbidden says so, and what was sent is not read."""
    log.begin(everything())
    headers = {"impersonate-user": "jane", "impersonate-group": "dev"}
    await web.ask("POST", MAPS, config_map("a"), headers=headers)
    (event,) = log.events()
    assert event["user"]["username"] == "system:admin"
    assert event["impersonatedUser"] == {"username": "jane", "groups": ["dev", "system:authenticated"]}
    assert event["annotations"] == {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}
    assert "requestObject" not in event
    assert event["responseObject"]["code"] == 403


async def test_why_somebody_may(web: Web, log: Log) -> None:
    """The binding that allows a request is named."""
    log.begin(everything("Metadata"))
    await web.ask("GET", "/version", headers={"impersonate-user": "jane"})
    (event,) = log.events()
    reason = event["annotations"]["authorization.k8s.io/reason"]
    assert reason.startswith('RBAC: allowed by ClusterRoleBinding "system:')
    assert reason.endswith('to Group "system:authenticated"')


async def test_a_bug_is_a_panic(web: Web, application: Application, log: Log) -> None:
    """The request that met it is told of once more."""

    async def broken(request: Request) -> Response:
        raise RuntimeError("bug")

    application.routes["/metrics"] = broken
    log.begin()
    answer = await web.ask("GET", "/metrics")
    events = log.events()
    assert answer.status == 500
    assert [event["stage"] for event in events] == ["RequestReceived", "Panic"]


async def test_nothing_is_told_of_what_the_policy_leaves_out(web: Web, log: Log) -> None:
    """Not even its start."""
    log.begin(everything("None"))
    await web.get(MAPS)
    assert log.events() == []


async def test_annotations_of_admission_are_told(web: Web, hub: Hub, log: Log) -> None:
    """Whatever stands in the request's annotations when it is answered."""

    async def admit(*asked: Any) -> None:
        asked[-1].annotations["example.com/seen"] = "yes"

    hub.validating.append(admit)
    log.begin(everything("Metadata"))
    await web.post(MAPS, config_map("a"))
    (event,) = log.events()
    assert event["annotations"]["example.com/seen"] == "yes"
