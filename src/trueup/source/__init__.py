"""Git in, immutable artifacts out: the room behind the ``Fetcher`` port.

Called by `app.py`, which wires `fetcher.GitFetcher`, and by whoever receives webhooks (`webhook.read`).
"""
