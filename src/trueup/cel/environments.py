"""The environments that trueup knows by name. Used by whoever compiles expressions.

Source: ``k8s.io/apiserver/pkg/cel/environment/base.go`` (Kubernetes 1.36); cel-go ``ext`` for what is beyond it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from trueup.cel import addresses, amounts, authorizing, lists, mathematics, named_formats, strings
from trueup.cel.environment import Environment
from trueup.cel.macros import BINDING, MACROS
from trueup.cel.standard import by_the_letter, standard


@cache
def kubernetes() -> Environment:
    """What Kubernetes gives to every expression; no variables yet."""
    return (
        Environment()
        .with_library(standard(), MACROS)
        .with_library(strings.strings())
        .with_library(strings.patterns())
        .with_library(lists.lists())
        .with_library(addresses.addresses(), type_names=addresses.TYPES)
        .with_library(amounts.amounts())
        .with_library(named_formats.named_formats())
        .with_library(authorizing.authorizing())
    )


@cache
def extended() -> Environment:
    """The same with ``cel.bind``, ``math.…``, ``base64.…`` and the newest string functions."""
    known = (
        kubernetes()
        .with_library(by_the_letter())
        .with_library(strings.later_strings(), BINDING)
        .with_library(strings.patching())
        .with_library(mathematics.mathematics(), mathematics.MATH_MACROS)
    )
    return replace(known, escapes=True)
