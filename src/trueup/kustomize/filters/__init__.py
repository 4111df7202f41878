"""What kustomize does to objects, one file per transformer: resources in, the same resources changed."""
