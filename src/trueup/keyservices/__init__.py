"""Key services that need a program or a server: PGP by gpg, AWS KMS, GCP KMS, Azure Key Vault and Vault by their HTTP APIs.

Called by the composition root, which hands them to the families that decrypt, and by ``trueup sops``. Each is a `KeyService` of
`trueup.sops`; `services` puts together those that some credentials allow. A service waits for its answer: it is called from a
thread that has no event loop.
"""

from trueup.keyservices.environment import Environment
from trueup.keyservices.services import Later, from_environment, from_material

__all__ = ["Environment", "Later", "from_environment", "from_material"]
