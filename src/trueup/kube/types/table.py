"""The resources that Kubernetes serves: what its OpenAPI definitions leave out. Read by `kube.types`.

One line each: plural, kind, scope (n: namespaced, c: cluster), short names, categories, subresources (``@33``: since 1.33)
and, where they are not the usual eight, verbs. A version serves the lines whose kinds its definitions have. Source:
`kubectl api-resources` and discovery of each version, with the features that are on by default.
"""

from __future__ import annotations

TABLE: dict[str, str] = {
    "v1": """
        bindings Binding n - - - create
        componentstatuses ComponentStatus c cs - - get,list
        configmaps ConfigMap n cm - -
        endpoints Endpoints n ep - -
        events Event n ev - -
        limitranges LimitRange n limits - -
        namespaces Namespace c ns - finalize,status create,delete,get,list,patch,update,watch
        nodes Node c no - proxy,status
        persistentvolumeclaims PersistentVolumeClaim n pvc - status
        persistentvolumes PersistentVolume c pv - status
        pods Pod n po all attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize@33,status
        podtemplates PodTemplate n - - -
        replicationcontrollers ReplicationController n rc all scale,status
        resourcequotas ResourceQuota n quota - status
        secrets Secret n - - -
        serviceaccounts ServiceAccount n sa - token
        services Service n svc all proxy,status
    """,
    "admissionregistration.k8s.io/v1": """
        mutatingadmissionpolicies MutatingAdmissionPolicy c - api-extensions -
        mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding c - api-extensions -
        mutatingwebhookconfigurations MutatingWebhookConfiguration c - api-extensions -
        validatingadmissionpolicies ValidatingAdmissionPolicy c - api-extensions status
        validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding c - api-extensions -
        validatingwebhookconfigurations ValidatingWebhookConfiguration c - api-extensions -
    """,
    "apiextensions.k8s.io/v1": """
        customresourcedefinitions CustomResourceDefinition c crd,crds api-extensions status
    """,
    "apiregistration.k8s.io/v1": """
        apiservices APIService c - api-extensions status
    """,
    "apps/v1": """
        controllerrevisions ControllerRevision n - - -
        daemonsets DaemonSet n ds all status
        deployments Deployment n deploy all scale,status
        replicasets ReplicaSet n rs all scale,status
        statefulsets StatefulSet n sts all scale,status
    """,
    "authentication.k8s.io/v1": """
        selfsubjectreviews SelfSubjectReview c - - - create
        tokenreviews TokenReview c - - - create
    """,
    "authorization.k8s.io/v1": """
        localsubjectaccessreviews LocalSubjectAccessReview n - - - create
        selfsubjectaccessreviews SelfSubjectAccessReview c - - - create
        selfsubjectrulesreviews SelfSubjectRulesReview c - - - create
        subjectaccessreviews SubjectAccessReview c - - - create
    """,
    "autoscaling/v2": """
        horizontalpodautoscalers HorizontalPodAutoscaler n hpa all status
    """,
    "autoscaling/v1": """
        horizontalpodautoscalers HorizontalPodAutoscaler n hpa all status
    """,
    "batch/v1": """
        cronjobs CronJob n cj all status
        jobs Job n - all status
    """,
    "certificates.k8s.io/v1": """
        certificatesigningrequests CertificateSigningRequest c csr - approval,status
        clustertrustbundles ClusterTrustBundle c - - -
        podcertificaterequests PodCertificateRequest n - - status
    """,
    "coordination.k8s.io/v1": """
        leases Lease n - - -
    """,
    "discovery.k8s.io/v1": """
        endpointslices EndpointSlice n - - -
    """,
    "events.k8s.io/v1": """
        events Event n ev - -
    """,
    "flowcontrol.apiserver.k8s.io/v1": """
        flowschemas FlowSchema c - - status
        prioritylevelconfigurations PriorityLevelConfiguration c - - status
    """,
    "flowcontrol.apiserver.k8s.io/v1beta3": """
        flowschemas FlowSchema c - - status
        prioritylevelconfigurations PriorityLevelConfiguration c - - status
    """,
    "networking.k8s.io/v1": """
        ingressclasses IngressClass c - - -
        ingresses Ingress n ing - status
        ipaddresses IPAddress c ip - -
        networkpolicies NetworkPolicy n netpol - -
        servicecidrs ServiceCIDR c - - status
    """,
    "node.k8s.io/v1": """
        runtimeclasses RuntimeClass c - - -
    """,
    "policy/v1": """
        poddisruptionbudgets PodDisruptionBudget n pdb - status
    """,
    "rbac.authorization.k8s.io/v1": """
        clusterrolebindings ClusterRoleBinding c - - -
        clusterroles ClusterRole c - - -
        rolebindings RoleBinding n - - -
        roles Role n - - -
    """,
    "resource.k8s.io/v1": """
        deviceclasses DeviceClass c - - -
        devicetaintrules DeviceTaintRule c - - status
        resourceclaims ResourceClaim n - - status
        resourceclaimtemplates ResourceClaimTemplate n - - -
        resourceslices ResourceSlice c - - -
    """,
    "scheduling.k8s.io/v1": """
        priorityclasses PriorityClass c pc - -
    """,
    "storage.k8s.io/v1": """
        csidrivers CSIDriver c - - -
        csinodes CSINode c - - status@37
        csistoragecapacities CSIStorageCapacity n - - -
        storageclasses StorageClass c sc - -
        volumeattachments VolumeAttachment c - - status
        volumeattributesclasses VolumeAttributesClass c vac - -
    """,
    "storagemigration.k8s.io/v1": """
        storageversionmigrations StorageVersionMigration c - - status
    """,
}
"""By group and version, preferred versions first. A kind that a version's definitions lack is not served by it."""

SUBRESOURCE_KINDS: dict[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
    "attach": ("", "v1", "PodAttachOptions"),
    "exec": ("", "v1", "PodExecOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
    "nodes/proxy": ("", "v1", "NodeProxyOptions"),
    "pods/proxy": ("", "v1", "PodProxyOptions"),
    "services/proxy": ("", "v1", "ServiceProxyOptions"),
}
"""Subresources whose kind is not their parent's, by name or by resource and name."""

SUBRESOURCE_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "approval": ("get", "patch", "update"),
    "ephemeralcontainers": ("get", "patch", "update"),
    "resize": ("get", "patch", "update"),
    "finalize": ("update",),
    "binding": ("create",),
    "eviction": ("create",),
    "token": ("create",),
    "log": ("get",),
    "attach": ("create", "get"),
    "exec": ("create", "get"),
    "portforward": ("create", "get"),
    "proxy": ("create", "delete", "get", "patch", "update"),
}
