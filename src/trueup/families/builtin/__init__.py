"""What a cluster's own controllers do, and its nodes and cloud: simulated where there is no machine, and saying so.

`app.py` runs these for the embedded cluster only, with ``tools.ClusterTools``.
"""

from trueup.families.builtin import deployments, garbage, jobs, namespaces, replicasets
from trueup.families.builtin.simulate import kubelet, node
from trueup.family import Family

FAMILY = Family(
    name="builtin",
    controllers=(
        namespaces.CONTROLLER,
        garbage.CONTROLLER,
        deployments.CONTROLLER,
        replicasets.CONTROLLER,
        jobs.CONTROLLER,
        node.CONTROLLER,
        kubelet.CONTROLLER,
    ),
)
