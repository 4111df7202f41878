"""What a webhook configuration gets wrong. Pure; called through the kinds' strategies before one is stored.

Source: ``pkg/apis/admissionregistration/validation/validation.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup.apiserver.policies.checks import condition_problems, rule_problems
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import clients, object_meta
from trueup.kube.validation.causes import duplicate, invalid, not_supported, required
from trueup.kube.validation.formats import dns1035, subdomain

_KNOWN = ("v1", "v1beta1")
_EFFECTS = ("None", "NoneOnDryRun")


def configuration(obj: Object, old: Object | None) -> Iterator[Cause]:
    """Every mistake, in Kubernetes' order."""
    names: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", str(hook.get("name") or "")
        yield from _hook(hook, path, name)
        yield from _versions(list(hook.get("admissionReviewVersions") or ()), f"{path}.admissionReviewVersions")
        if name and name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)


def _hook(hook: Object, path: str, name: str) -> Iterator[Cause]:
    problems = subdomain(name)
    if not name:
        yield required(f"{path}.name")
    elif problems or name.count(".") < 2:
        lacking = "should be a domain with at least three segments separated by dots"
        yield invalid(f"{path}.name", name, ",".join(problems) or lacking)
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from rule_problems(rule, f"{path}.rules[{index}]")
    yield from _chosen(hook, "failurePolicy", ("Fail", "Ignore"), path)
    yield from _chosen(hook, "matchPolicy", ("Equivalent", "Exact"), path)
    effects = hook.get("sideEffects")
    if effects is None:
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif effects not in _EFFECTS:
        yield not_supported(f"{path}.sideEffects", effects, _EFFECTS)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        yield invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    yield from object_meta.selector(hook.get("namespaceSelector"), f"{path}.namespaceSelector")
    yield from object_meta.selector(hook.get("objectSelector"), f"{path}.objectSelector")
    yield from _chosen(hook, "reinvocationPolicy", ("IfNeeded", "Never"), path)
    yield from _client(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    yield from condition_problems(hook, path)


def _chosen(hook: Object, name: str, known: tuple[str, ...], path: str) -> Iterator[Cause]:
    """One of a few, or nothing: an empty text is neither."""
    value = hook.get(name)
    if value is not None and value not in known:
        yield not_supported(f"{path}.{name}", value, known)


def _client(client: Object, path: str) -> Iterator[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from clients.url(f"{path}.url", url, secure=True)
    elif service is not None:
        # Kubernetes takes names for namespaces here, and the other way round.
        crossed = {**service, "name": service.get("namespace"), "namespace": service.get("name")}
        yield from clients.service(f"{path}.service", crossed)


def _versions(versions: list[str], path: str) -> Iterator[Cause]:
    if not versions:
        yield required(path, "must specify one of v1, v1beta1")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        elif problems := dns1035(version):
            yield invalid(f"{path}[{index}]", version, ",".join(problems))
    if not any(version in _KNOWN for version in versions):
        yield invalid(path, versions, "must include at least one of v1, v1beta1")
