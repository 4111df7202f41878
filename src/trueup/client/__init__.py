"""A thin client of any Kubernetes API over HTTP: kubeconfig, credentials, discovery, calls and watches."""
