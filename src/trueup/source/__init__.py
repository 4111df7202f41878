"""Git in, immutable artifacts out: the room behind the ``Fetcher`` port.

Called by the `app` room, which wires `fetcher.GitFetcher`, and by whoever receives webhooks (`webhook.read`).
"""
