"""What an update may change of a pod, in the words in which Kubernetes refuses the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from trueup.kube.names import Object
from trueup.kube.validation.pod_updates import pod_update

POD: Object = {
    "metadata": {"name": "web", "annotations": {"k": "v"}},
    "spec": {
        "containers": [{"name": "c", "image": "i"}],
        "initContainers": [{"name": "i", "image": "i"}],
        "activeDeadlineSeconds": 100,
        "nodeSelector": {"a": "b"},
        "schedulingGates": [{"name": "a/b"}],
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
    },
}
FIXED = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/c"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.containers.0.image", "j", []),
        ("spec.containers.0.image", " j", [
            'spec.containers[0].image: Invalid value: " j": must not have leading or trailing whitespace',
        ]),
        ("spec.containers.0.name", "z", [FIXED]),
        ("spec.initContainers", [], [
            "spec.initContainers: Forbidden: pod updates may not add or remove containers",
        ]),
        ("spec.activeDeadlineSeconds", 5, []),
        ("spec.activeDeadlineSeconds", 500, [
            "spec.activeDeadlineSeconds: Invalid value: 500: must be less than or equal to previous value",
        ]),
        ("spec.activeDeadlineSeconds", None, [
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ]),
        ("spec.tolerations", [], [
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ]),
        ("spec.nodeSelector", {"a": "b", "c": "d"}, []),
        ("spec.nodeSelector", {"a": "x"}, [
            'spec.nodeSelector: Invalid value: {"a":"x"}: '
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ]),
        ("spec.schedulingGates", [], []),
        ("spec.schedulingGates", [{"name": "q/r"}], [
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'q/r'",
        ]),
        ("spec.hostname", "x", [FIXED]),
        ("metadata.annotations", {APP_ARMOR: "unconfined"}, [
            f"metadata.annotations[{APP_ARMOR}]: Forbidden: may not add AppArmor annotations",
        ]),
        ("metadata.annotations", {"kubernetes.io/config.mirror": "x"}, [
            "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation",
        ]),
    ],
)  # fmt: skip
def test_updates(path: str, value: Any, says: list[str]) -> None:
    """Images, shorter deadlines, more tolerations, fewer gates, and nothing else."""
    new = copy.deepcopy(POD)
    holder: Any = new
    *above, last = path.split(".")
    for part in above:
        holder = holder[int(part) if isinstance(holder, list) else part]
    holder[last] = value
    found = [f"{cause.field}: {cause.message}" for cause in pod_update(new, POD)]
    assert says == [text[: len(FIXED)] if text.startswith(FIXED) else text for text in found]
