"""A Kubernetes-compatible API server: one generic registry, verbs, and what surrounds them."""
