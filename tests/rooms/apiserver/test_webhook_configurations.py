"""What is wrong with a webhook configuration, in the words and the order of kube-apiserver 1.36."""

from __future__ import annotations

import pytest

from tests.hookserver import Review
from tests.rooms.apiserver.test_webhooks import HOOKS, hook
from tests.rooms.apiserver.web import Web

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
DNS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
WRONG: list[tuple[Review, list[str]]] = [
    (
        {"name": "a.b"},
        ['name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
    ),
    ({"admissionReviewVersions": []}, ["admissionReviewVersions: Required value: must specify one of v1, v1beta1"]),
    (
        {"admissionReviewVersions": ["V!"]},
        [
            f'admissionReviewVersions[0]: Invalid value: "V!": {DNS}',
            'admissionReviewVersions: Invalid value: ["V!"]: must include at least one of v1, v1beta1',
        ],
    ),
    ({"sideEffects": "Some"}, ['sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"']),
    ({"timeoutSeconds": 31}, ["timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"]),
    (
        {"rules": [{**RULE, "operations": ["*", "CREATE"]}]},
        ['rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations'],
    ),
    (
        {"rules": [{**RULE, "resources": ["*/status", "pods/status"]}]},
        [
            "rules[0].resources[1]: Invalid value: \"pods/status\": if '*/status' is present, must not specify pods/status"
        ],
    ),
    ({"clientConfig": {}}, ["clientConfig: Required value: exactly one of url or service is required"]),
    (
        {"clientConfig": {"url": "http://u@a?b#c"}},
        [
            "clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: "
            "https://host[/path]",
            'clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
            'clientConfig.url: Invalid value: "c": fragments are not permitted in the URL',
            'clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL',
        ],
    ),
    (
        {"matchConditions": [{"name": "", "expression": "1"}]},
        [
            'matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int',
            "matchConditions[0].name: Required value",
        ],
    ),
    (
        {"reinvocationPolicy": "X"},
        ['reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", "Never"'],
    ),
]


@pytest.mark.parametrize(("spec", "want"), WRONG, ids=range(len(WRONG)))
async def test_configurations_that_are_wrong(web: Web, spec: Review, want: list[str]) -> None:
    """A configuration is refused with every mistake in it, in Kubernetes' order."""
    obj = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hooks"},
        "webhooks": [{**hook({"url": "https://127.0.0.1/x"}), **spec}],
    }
    answer = await web.ask("POST", f"{HOOKS}/mutatingwebhookconfigurations", obj)
    causes = answer.json["details"]["causes"]
    told = [f"{cause['field'].removeprefix('webhooks[0].')}: {cause['message']}" for cause in causes]
    assert (answer.status, told) == (422, want)
