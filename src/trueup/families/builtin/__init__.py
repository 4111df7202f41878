"""What a cluster's own controllers do, and its nodes and cloud: simulated where there is no machine, and saying so.

`app` runs these for the embedded cluster only.
"""

from trueup.families.builtin import (
    autoscaling,
    budgets,
    cronjobs,
    daemonsets,
    deployments,
    endpoints,
    garbage,
    jobs,
    mirroring,
    namespaces,
    nodes,
    protection,
    quotas,
    replicasets,
    rootca,
    service_ranges,
    serviceaccounts,
    statefulsets,
    volume_reclaim,
    volumes,
)
from trueup.families.builtin.simulate import cloud, kubelet, node, scheduler
from trueup.families.builtin.voices import voiced
from trueup.family import Family

FAMILY = Family(
    name="builtin",
    controllers=tuple(
        voiced(one)
        for one in (
            namespaces.CONTROLLER,
            serviceaccounts.CONTROLLER,
            rootca.CONTROLLER,
            quotas.CONTROLLER,
            garbage.CONTROLLER,
            deployments.CONTROLLER,
            replicasets.CONTROLLER,
            replicasets.REPLICATION_CONTROLLERS,
            statefulsets.CONTROLLER,
            daemonsets.CONTROLLER,
            jobs.CONTROLLER,
            cronjobs.CONTROLLER,
            endpoints.CONTROLLER,
            mirroring.CONTROLLER,
            service_ranges.CONTROLLER,
            volumes.CONTROLLER,
            volumes.CLASS,
            volume_reclaim.CONTROLLER,
            protection.CLAIMS,
            protection.VOLUMES,
            protection.CLASSES,
            protection.EPHEMERAL,
            budgets.CONTROLLER,
            autoscaling.CONTROLLER,
            nodes.CONTROLLER,
            node.CONTROLLER,
            scheduler.CONTROLLER,
            kubelet.CONTROLLER,
            cloud.SERVICES,
            cloud.INGRESSES,
        )
    ),
)
