"""A pod's volumes. Source: Kubernetes ``core/validation``, ValidateVolumes, validateVolumeSource, validateProjectionSources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import claims, environment, formats, object_meta, paths, signers
from trueup.kube.validation import volume_sources as sources
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)  # fmt: skip

_KEY_TYPES = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")
_PULL = ("Always", "IfNotPresent", "Never")
_CONFLICT = "conflicting duplicate paths"
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32
_LONGEST_CERTIFICATE, _LONGEST_OF_KUBERNETES = 7862400, 86400


def volumes(found: Sequence[Object], path: str, pod: str, *, is_pod: bool) -> tuple[dict[str, Object], Causes]:
    """The volumes that may be mounted, by name, and what is wrong with the others. ``pod``: its name, where it is known."""
    right: dict[str, Object] = {}
    wrong: list[Any] = []
    made = {f"{pod}-{one.get('name') or ''}" for one in found if one.get("ephemeral") is not None} if pod else set()
    for index, one in enumerate(found):
        at, name = f"{path}[{index}]", str(one.get("name") or "")
        problems = [*_source(one, at, name, pod, is_pod)]
        if not name:
            problems.append(required(f"{at}.name"))
        else:
            problems += each_invalid(f"{at}.name", name, formats.label(name))
        if name in right:
            problems.append(duplicate(f"{at}.name", name))
        if problems:
            wrong += problems
        else:
            right[name] = one
        claim = one.get("persistentVolumeClaim")
        if claim is not None and claim.get("claimName") in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            wrong.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim["claimName"], text))
    return right, iter(wrong)


def _source(volume: Object, path: str, name: str, pod: str, is_pod: bool) -> Causes:
    """The one source that a volume has; of more than one, all but the first are refused, in an order of their own."""
    given = [kind for kind in volume if kind in _RULES and volume[kind] is not None]
    if not given:
        yield required(path, "must specify a volume type")
        return
    if len(given) > 1:
        given.sort(key=_ORDER.__getitem__)
    for other in given[1:]:
        yield forbidden(f"{path}.{_MISSPELT.get(other, other)}", "may not specify more than 1 volume type")
    kind = given[0]
    found = volume[kind]
    yield from _RULES[kind](found, f"{path}.{kind}")
    if kind == "iscsi" and found.get("initiatorName") is not None:
        if len(f"{name}:{found.get('targetPortal') or ''}") > sources.LONGEST_PORTAL:
            yield invalid(f"{path}.name", name, sources.PORTAL)
    elif kind == "ephemeral" and pod and name:
        made = f"{pod}-{name}"
        yield from each_invalid(
            f"{path}.name", name, (f'PVC name "{made}": {problem}' for problem in formats.subdomain(made))
        )
    elif kind == "image" and is_pod and not found.get("reference"):
        yield required(f"{path}.image.reference")


def _empty_dir(found: Object, path: str) -> Causes:
    size = found.get("sizeLimit")
    if size is not None and parse(size) < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _files(named: str) -> sources.Rule:
    """Secrets and config maps."""

    def rule(found: Object, path: str) -> Causes:
        if not found.get(named):
            yield required(f"{path}.{named}")
        yield from paths.mode(found.get("defaultMode"), f"{path}.defaultMode")
        for index, item in enumerate(found.get("items") or ()):
            yield from _key_to_path(item, f"{path}.items[{index}]")

    return rule


def _key_to_path(item: Object, path: str) -> Causes:
    place = item.get("path") or ""
    if not item.get("key"):
        yield required(f"{path}.key")
    if not place:
        yield required(f"{path}.path")
    yield from paths.in_volume(place, f"{path}.path")
    yield from paths.mode(item.get("mode"), f"{path}.mode")


def _downward(found: Object, path: str) -> Causes:
    yield from paths.mode(found.get("defaultMode"), f"{path}.defaultMode")
    for item in found.get("items") or ():
        yield from _downward_file(item, path)  # of which item is not said


def _downward_file(item: Object, path: str) -> Causes:
    place, field, resource = item.get("path") or "", item.get("fieldRef"), item.get("resourceFieldRef")
    if not place:
        yield required(f"{path}.path")
    yield from paths.in_volume(place, f"{path}.path")
    if field is not None:
        yield from environment.field_reference(field, f"{path}.fieldRef", environment.FIELDS_OF_FILES)
        if resource is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif resource is not None:
        yield from environment.resource_reference(resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from paths.mode(item.get("mode"), f"{path}.mode")


def _projected(found: Object, path: str) -> Causes:
    yield from paths.mode(found.get("defaultMode"), f"{path}.defaultMode")
    taken: set[str] = set()
    for index, source in enumerate(found.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        given = [kind for kind in _PROJECTIONS if source.get(kind) is not None]
        for kind in given:
            yield from _PROJECTIONS[kind](source[kind], f"{at}.{kind}", path, taken)
        if len(given) > 1:
            yield forbidden(at, "may not specify more than 1 volume type per source")


def _take(place: str, path: str, taken: set[str], shown: str | None = None) -> Causes:
    if place in taken:
        yield invalid(path, place if shown is None else shown, _CONFLICT)
    taken.add(place)


def _projected_files(found: Object, path: str, volume: str, taken: set[str]) -> Causes:
    name = found.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    for index, item in enumerate(found.get("items") or ()):
        yield from _key_to_path(item, f"{path}.items[{index}]")
        if item.get("path"):
            yield from _take(item["path"], volume, taken, name)


def _projected_fields(found: Object, path: str, volume: str, taken: set[str]) -> Causes:
    for item in found.get("items") or ():
        yield from _downward_file(item, path)
        if item.get("path"):
            yield from _take(item["path"], volume, taken)


def _projected_token(found: Object, path: str, volume: str, taken: set[str]) -> Causes:
    seconds, place = found.get("expirationSeconds") or 0, found.get("path") or ""
    if seconds < _SHORTEST_TOKEN:
        yield invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST_TOKEN:
        yield invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if not place:
        yield required(f"{volume}.path")
    else:
        yield from paths.in_volume(place, f"{volume}.path")


def _projected_bundle(found: Object, path: str, volume: str, taken: set[str]) -> Causes:
    name, signer, place = found.get("name"), found.get("signerName"), found.get("path") or ""
    if name is not None and signer is not None:
        yield invalid(path, found, "only one of name and signerName may be used")
    elif name is not None:
        if not name:
            yield required(f"{path}.name", "must be a valid object name")
        yield from each_invalid(
            f"{path}.name", name, (f"not a valid clustertrustbundlename: {one}" for one in signers.bundle_name(name))
        )
        if found.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            yield invalid(f"{path}.labelSelector", found["labelSelector"], text)
    elif signer is not None:
        if not signer:
            yield required(f"{path}.signerName", "must be a valid signer name")
        yield from signers.signer_name(signer, f"{path}.signerName")
        yield from object_meta.selector(found.get("labelSelector"), f"{path}.labelSelector")
    else:
        yield required(path, "either name or signerName must be specified")
    if not place:
        yield required(f"{path}.path")
    yield from paths.in_volume(place, f"{path}.path")
    yield from _take(place, volume, taken)


def _projected_certificate(found: Object, path: str, volume: str, taken: set[str]) -> Causes:
    signer, kind, seconds = found.get("signerName") or "", found.get("keyType") or "", found.get("maxExpirationSeconds")
    yield from signers.signer_name(signer, f"{path}.signerName")
    if kind not in _KEY_TYPES:
        yield not_supported(f"{path}.keyType", kind, _KEY_TYPES)
    if seconds is not None:
        of_kubernetes = signer.partition("/")[0].endswith("kubernetes.io")
        most = _LONGEST_OF_KUBERNETES if of_kubernetes else _LONGEST_CERTIFICATE
        if seconds < 3600:
            yield invalid(f"{path}.maxExpirationSeconds", seconds, "if provided, maxExpirationSeconds must be >= 3600")
        if seconds > most:
            text = f"if provided, maxExpirationSeconds must be <= {most}"
            yield invalid(f"{path}.maxExpirationSeconds", seconds, text)
    given = [name for name in ("credentialBundlePath", "keyPath", "certificateChainPath") if found.get(name)]
    for name in given:
        yield from paths.in_volume(found[name], f"{path}.{name}")
        yield from _take(found[name], volume, taken)
    if not given:
        yield required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


_PROJECTIONS = {
    "secret": _projected_files,
    "configMap": _projected_files,
    "downwardAPI": _projected_fields,
    "serviceAccountToken": _projected_token,
    "clusterTrustBundle": _projected_bundle,
    "podCertificate": _projected_certificate,
}


def _csi(found: Object, path: str) -> Causes:
    yield from sources.driver_name(found.get("driver") or "", f"{path}.driver")
    secret = found.get("nodePublishSecretRef")
    if secret is None:
        return
    name = secret.get("name") or ""
    if not name:
        yield required(f"{path}.nodePublishSecretRef.name")
    else:
        yield from each_invalid(f"{path}.name", name, formats.subdomain(name))


def _ephemeral(found: Object, path: str) -> Causes:
    template = found.get("volumeClaimTemplate")
    if template is None:
        yield required(f"{path}.volumeClaimTemplate")
        return
    at = f"{path}.volumeClaimTemplate"
    yield from object_meta.of_template(template.get("metadata") or {}, f"{at}.metadata")
    yield from claims.claim_spec(template.get("spec") or {}, f"{at}.spec")


def _image(found: Object, path: str) -> Causes:
    yield from one_of(f"{path}.pullPolicy", found.get("pullPolicy"), _PULL)


_RULES: Mapping[str, sources.Rule] = {
    "emptyDir": _empty_dir,
    "hostPath": sources.host_path,
    "gitRepo": sources.git_repo,
    "gcePersistentDisk": sources.SHARED["gcePersistentDisk"],
    "awsElasticBlockStore": sources.SHARED["awsElasticBlockStore"],
    "secret": _files("secretName"),
    "nfs": sources.nfs,
    "iscsi": sources.iscsi,
    "glusterfs": sources.needs("endpoints", "path"),
    "flocker": sources.flocker,
    "persistentVolumeClaim": sources.needs("claimName"),
    "rbd": sources.SHARED["rbd"],
    "cinder": sources.cinder,
    "cephfs": sources.SHARED["cephfs"],
    "quobyte": sources.quobyte,
    "downwardAPI": _downward,
    "fc": sources.fibre_channel,
    "flexVolume": sources.flex,
    "configMap": _files("name"),
    "azureFile": sources.needs("secretName", "shareName"),
    "vsphereVolume": sources.SHARED["vsphereVolume"],
    "photonPersistentDisk": sources.SHARED["photonPersistentDisk"],
    "portworxVolume": sources.SHARED["portworxVolume"],
    "azureDisk": sources.azure_disk,
    "storageos": sources.storage_os,
    "projected": _projected,
    "scaleIO": sources.SHARED["scaleIO"],
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
"""By source, in the order in which Kubernetes looks at them."""
_ORDER = {kind: place for place, kind in enumerate(_RULES)}
_MISSPELT = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Fields by the names that Kubernetes calls them where there is one too many."""
