"""Files and objects encrypted by SOPS, opened without its program. Pure: documents in, documents out.

Called by the families that decrypt (Flux's ``spec.decryption``). YAML, JSON, dotenv, INI and binary files; age keys and SSH keys
by `Age`; other key services are handed in by the shell through `KeyService`, and their absence is told by name.
"""

from trueup.sops.age import Age
from trueup.sops.formats import Format, format_of, marked
from trueup.sops.keys import Keys, KeyService
from trueup.sops.metadata import MasterKey
from trueup.sops.opening import decrypt, decrypt_object
from trueup.sops.problems import MacMismatch, Malformed, NoKey, SopsProblem
from trueup.sops.sealing import encrypt, encrypt_object

__all__ = [
    "Age",
    "Format",
    "KeyService",
    "Keys",
    "MacMismatch",
    "Malformed",
    "MasterKey",
    "NoKey",
    "SopsProblem",
    "decrypt",
    "decrypt_object",
    "encrypt",
    "encrypt_object",
    "format_of",
    "marked",
]
