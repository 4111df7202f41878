"""Puts a hub together: built-in kinds, definitions, admission, what a cluster has from the start.

Called by `app` and by tests. Above the hub and the verbs, which do not know it.
"""

from __future__ import annotations

from trueup.apiserver import ip_addresses
from trueup.apiserver.admission import definitions, nodes, tolerations
from trueup.apiserver.admission.addresses import Addresses
from trueup.apiserver.admission.certificates import Certificates
from trueup.apiserver.admission.escalation import Escalation
from trueup.apiserver.admission.limits import LimitRanger
from trueup.apiserver.admission.namespaces import NamespaceLifecycle
from trueup.apiserver.admission.pod_security import PodSecurity
from trueup.apiserver.admission.priority import Priority
from trueup.apiserver.admission.quota import ResourceQuota
from trueup.apiserver.admission.runtime_class import RuntimeClass
from trueup.apiserver.admission.service_accounts import ServiceAccounts
from trueup.apiserver.admission.storage import DefaultClasses
from trueup.apiserver.bootstrap import seed, services
from trueup.apiserver.bootstrap.aggregation import Aggregation
from trueup.apiserver.built_in import built_in
from trueup.apiserver.crds import Definitions
from trueup.apiserver.draining import Draining
from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.mutating import MutatingPolicies
from trueup.apiserver.policies.type_checks import TypeChecks
from trueup.apiserver.policies.validating import ValidatingPolicies
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.create import create
from trueup.apiserver.webhooks.caller import Caller
from trueup.apiserver.webhooks.conversion import WebhookConverter
from trueup.apiserver.webhooks.mutating import MutatingWebhooks
from trueup.apiserver.webhooks.validating import ValidatingWebhooks
from trueup.kube.names import Kind, Object
from trueup.kube.types import Types
from trueup.ports import Clock
from trueup.store.state import Store

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def open_hub(store: Store, types: Types, clock: Clock) -> Hub:
    """Serve what the version serves and what is defined in the store; what every cluster has exists afterwards."""
    hub = Hub(store, types, clock)
    for served in built_in(types):
        hub.registry.add(served)
    Definitions(store, types, hub.registry)
    _admission(hub)
    hub.start(Draining(hub).run(), "draining definitions")
    hub.start(TypeChecks(hub).run(), "checking policies")
    for name in SYSTEM_NAMESPACES:
        await _ensure(hub, Kind("", "v1", "Namespace"), {"metadata": {"name": name}})
    await seed.seed(hub)
    hub.start(services.Services(hub, seed.plant).run(), "listing API services")
    hub.start(Aggregation(hub).run(), "gathering rules of roles")
    addresses = hub.registry.of_kind(ip_addresses.KIND)
    if addresses is not None:  # not before 1.33
        following = ip_addresses.IPAddresses(hub, addresses)
        hub.start(following.run(), "listing addresses")
    return hub


def _admission(hub: Hub) -> None:
    """The plugins in their order. Source: kube-apiserver ``AllOrderedPlugins``."""
    store = hub.store
    namespaces, addresses = (
        NamespaceLifecycle(store),
        Addresses(store.bucket("services"), store.bucket("servicecidrs.networking.k8s.io")),
    )
    priority, limits = Priority(store), LimitRanger(store)
    hub.mutating += [
        namespaces.admit,
        definitions.admit,
        nodes.admit,
        limits.admit,
        ServiceAccounts(store).admit,
        priority.admit,
        tolerations.admit,
        DefaultClasses(store).admit,
        RuntimeClass(store).admit,
        MutatingPolicies(hub).admit,
    ]
    caller = Caller(store)
    mutating, validating = MutatingWebhooks(hub, caller, hub.mutating), ValidatingWebhooks(hub, caller)
    policies = ValidatingPolicies(hub)
    hub.mutating += [mutating.admit]
    hub.reviewing += [mutating.admit, policies.admit, validating.admit]
    hub.hooked = lambda: mutating.there or validating.there
    converting = Caller(store, "kube-apiserver")
    hub.conversions.converter = WebhookConverter(hub, converting)
    hub.closing += [caller.close, converting.close]
    hub.allocating += [addresses.admit]
    hub.validating += [
        namespaces.keep,
        Escalation(hub.authorizer).admit,
        Certificates(hub.authorizer).admit,
        limits.check,
        PodSecurity(store).admit,
        priority.check,
        policies.admit,
        validating.admit,
        ResourceQuota(store, hub.clock.now).admit,
    ]
    hub.settling += [addresses]


async def _ensure(hub: Hub, kind: Kind, obj: Object) -> None:
    """Create what is not there."""
    served, meta = hub.serves(kind), obj["metadata"]
    space = meta.get("namespace") or ""
    if hub.store.bucket(served.storage).get(space, meta["name"]) is None:
        await create(hub, served, space, prepare.copy(obj), Write(manager="kube-apiserver", reviewed=False))
