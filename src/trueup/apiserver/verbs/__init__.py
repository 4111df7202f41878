"""One file per verb. Each takes the hub, what is served, and the request's values; answers objects."""
