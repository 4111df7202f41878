"""`kubectl logs` of a simulated pod: lines that say so. Called by the API server's log subresource through `app`.

Pod and query in; all lines come from what the pod's spec and status say, none is made up.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.kube.problems import BadRequest
from trueup.kube.query import flag
from trueup.timing.rfc3339 import parse_time

_KINDS = (
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)


def log_lines(spec: Mapping[str, Any], state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(time, line) of one container: ``spec`` is its part of the pod, ``state`` the run that is asked for."""
    ended = state.get("terminated") or {}
    started = str((state.get("running") or ended).get("startedAt") or "")
    command = [*(spec.get("command") or ()), *(spec.get("args") or ())]
    yield started, f"container {spec['name']} is simulated since {started}: nothing runs, these lines are all there is"
    yield started, f"image {spec.get('image')}"
    yield started, f"command {' '.join(map(str, command)) if command else '(of the image)'}"
    if ended:
        at = str(ended.get("finishedAt") or "")
        yield at, f"exited with code {ended.get('exitCode')} ({ended.get('reason')}) at {at}, simulated too"


def pod_logs(pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The answer to ``GET …/log``. Raises ``BadRequest`` as the kubelet does for a container that has not started."""
    spec, state = _run(pod, query)
    lines = list(log_lines(spec, state)) if state else []
    if query.get("sinceTime"):
        try:
            since = parse_time(query["sinceTime"])
        except ValueError as problem:
            raise BadRequest(f"sinceTime: {problem}") from None
        lines = [(at, line) for at, line in lines if parse_time(at) >= since]
    tail = query.get("tailLines", "")
    if tail.isdigit():
        lines = lines[len(lines) - min(int(tail), len(lines)) :]
    stamped = flag(query, "timestamps")
    body = "".join(f"{at} {line}\n" if stamped else f"{line}\n" for at, line in lines).encode()
    limit = query.get("limitBytes", "")
    return _once(body[: int(limit)] if limit.isdigit() else body)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _run(pod: Object, query: Mapping[str, str]) -> tuple[Object, Object]:
    """The container and the run of it that are asked for."""
    name, title = query.get("container") or "", meta(pod).get("name")
    spec = pod.get("spec") or {}
    if not name:
        names = [one["name"] for one in spec.get("containers") or ()]
        if len(names) != 1:
            raise BadRequest(f"a container name must be specified for pod {title}, choose one of: [{' '.join(names)}]")
        name = names[0]
    for specs, statuses in _KINDS:
        for container in spec.get(specs) or ():
            if container["name"] == name:
                found = (pod.get("status") or {}).get(statuses) or ()
                status: Object = next((one for one in found if one["name"] == name), {})
                if not spec.get("nodeName"):  # there is no kubelet yet to ask; kube-apiserver answers with nothing
                    return container, {}
                return container, _state(status, name, str(title), previous=flag(query, "previous"))
    raise BadRequest(f"container {name} is not valid for pod {title}")


def _state(status: Object, name: str, pod: str, *, previous: bool) -> Object:
    last: Object = status.get("lastState") or {}
    if previous:
        if not last.get("terminated"):
            raise BadRequest(f'previous terminated container "{name}" in pod "{pod}" not found')
        return last
    state: Object = status.get("state") or {}
    if state.get("running") or state.get("terminated"):
        return state
    if last.get("terminated"):
        return last  # between two runs the last one is shown
    reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
    if reason == "ImagePullBackOff":
        raise BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: trying and failing to pull image')
    raise BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: {reason}')
