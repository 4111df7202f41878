"""The operator of sites, as it runs in production, against a Kubernetes API of this test's own."""

from pathlib import Path

from kopf.testing import KopfRunner

from trueup.testing import Cluster

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sites.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Site, plural: sites, singular: site}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [image]
              properties:
                image: {type: string}
                replicas: {type: integer, minimum: 1, default: 1}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
SITE = """
apiVersion: example.com/v1
kind: Site
metadata: {name: shop}
spec: {image: nginx:1.27, replicas: 2}
"""


def test_a_site_gets_its_deployment(cluster: Cluster) -> None:
    """It becomes healthy, follows the Site, and goes with it."""
    cluster.apply(DEFINITION)
    operator = str(Path(__file__).with_name("operator_of_sites.py"))
    with KopfRunner(["run", "--all-namespaces", operator]):
        cluster.apply(SITE)
        cluster.wait("site", "shop", lambda site: site.get("status", {}).get("deployed") == "nginx:1.27")
        deployment = cluster.wait("deployment", "shop")
        assert deployment["status"]["readyReplicas"] == 2

        cluster.apply(SITE.replace("1.27", "1.28"))
        cluster.wait("deployment", "shop", lambda d: "1.28" in str(d["spec"]["template"]["spec"]["containers"]))

        cluster.delete("site", "shop")
        cluster.wait_gone("deployment", "shop")
