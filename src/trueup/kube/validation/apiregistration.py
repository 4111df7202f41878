"""The group apiregistration.k8s.io. Source: kube-aggregator ``pkg/apis/apiregistration/validation/validation.go``."""

from __future__ import annotations

import base64

from trueup.kube.names import Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, invalid, required, show

_MOST_OF_GROUPS, _MOST_OF_VERSIONS = 20_000, 1_000


def api_service(obj: Object) -> Causes:
    """APIService."""
    spec = obj.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""
    wanted = f"{version}.{group}"
    for field in ("generateName", "name"):
        name = str(obj["metadata"].get(field) or "")
        if name and name != wanted and not formats.path_segment(name):
            yield invalid(f"metadata.{field}", name, f'must be `spec.version+"."+spec.group`: {show(wanted)}')
    if not group and version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    if group:
        yield from each_invalid("spec.group", group, formats.subdomain(group))
    yield from each_invalid("spec.version", version, formats.dns1035(version))
    for field, most in (("groupPriorityMinimum", _MOST_OF_GROUPS), ("versionPriority", _MOST_OF_VERSIONS)):
        priority = spec.get(field) or 0
        if not 0 < priority <= most:
            yield invalid(f"spec.{field}", priority, f"must be positive and less than {most}")
    yield from _service(spec)


def _service(spec: Object) -> Causes:
    service, bundle, careless = spec.get("service"), spec.get("caBundle"), spec.get("insecureSkipTLSVerify")
    if service is None:
        if bundle:
            size = f"{len(base64.b64decode(bundle))} bytes"
            yield invalid("spec.caBundle", size, "local APIServices may not have a caBundle")
        if careless:
            text = "local APIServices may not have insecureSkipTLSVerify"
            yield invalid("spec.insecureSkipTLSVerify", careless, text)
        return
    for field in ("namespace", "name"):
        if not service.get(field):
            yield required(f"spec.service.{field}")
    port = service.get("port")
    problems = formats.port_number(port)
    if problems:
        yield invalid("spec.service.port", port or 0, f"port is not valid: {', '.join(problems)}")
    if careless and bundle:
        yield invalid("spec.insecureSkipTLSVerify", careless, "may not be true if caBundle is present")
