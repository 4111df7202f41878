"""A Kubernetes API inside a Python process, for tests of whatever speaks to one.

``Cluster`` is a context manager; ``plugin`` has pytest fixtures. Nothing is installed or downloaded; nothing stays on disk.
"""

from trueup.testing.cluster import Cluster, NotInTime

__all__ = ["Cluster", "NotInTime"]
