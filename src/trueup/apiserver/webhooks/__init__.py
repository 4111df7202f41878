"""Webhooks: reviews of writes and conversions of custom resources that other programs answer for.

`opening` puts the two admission plugins and the converter in their places; nothing else calls them.
"""
