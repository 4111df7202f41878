"""Words of role-based access control. Read by `rbac`, by admission, and by `bootstrap`, which holds the roles themselves.

Source: Kubernetes documentation, "Using RBAC Authorization".
"""

from __future__ import annotations

GROUP = "rbac.authorization.k8s.io"
AUTHENTICATED, UNAUTHENTICATED, MASTERS = "system:authenticated", "system:unauthenticated", "system:masters"
ANONYMOUS = "system:anonymous"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
