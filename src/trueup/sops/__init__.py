"""Files and objects encrypted by SOPS: opened, changed and sealed without its program. Pure: documents in, documents out.

Called by the families that decrypt (Flux's ``spec.decryption``) and by the command. YAML, JSON, dotenv, INI and binary files; age
keys and SSH keys by `Age`; other key services are handed in by the shell through `KeyService`, and their absence is told by name.
"""

from trueup.sops import creation, formats, naming, paths, yaml_writing
from trueup.sops.age import Age
from trueup.sops.editing import (
    Opening,
    Wish,
    decrypt,
    decrypt_object,
    encrypt,
    encrypt_object,
    encrypted,
    opened,
    rekeyed,
    rotated,
    sealed_anew,
)
from trueup.sops.formats import Format, Style, format_of, marked
from trueup.sops.keys import Keys, KeyService
from trueup.sops.metadata import MasterKey, Metadata
from trueup.sops.problems import MacMismatch, Malformed, NoKey, SopsProblem
from trueup.sops.selecting import Rules

__all__ = [
    "Age",
    "Format",
    "KeyService",
    "Keys",
    "MacMismatch",
    "Malformed",
    "MasterKey",
    "Metadata",
    "NoKey",
    "Opening",
    "Rules",
    "SopsProblem",
    "Style",
    "Wish",
    "creation",
    "decrypt",
    "decrypt_object",
    "encrypt",
    "encrypt_object",
    "encrypted",
    "format_of",
    "formats",
    "marked",
    "naming",
    "opened",
    "paths",
    "rekeyed",
    "rotated",
    "sealed_anew",
    "yaml_writing",
]
