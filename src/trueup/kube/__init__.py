"""The Kubernetes tongue: names, objects, selectors, schemas, failures. Pure."""
