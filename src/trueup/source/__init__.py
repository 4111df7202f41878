"""Git, Helm repositories and registries in, immutable artifacts out: the room behind the ``Fetcher`` port.

Called by the `app` room, which wires `sources.Sources`, and by whoever receives webhooks (`webhook.read`).
"""
