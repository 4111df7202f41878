"""The flags of ``kustomize build``, in the command's own words."""

import pytest

from trueup.kustomize import KustomizeProblem
from trueup.kustomize.flags import Flags, read_flags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Flags()),
        ("--enable-helm", Flags()),
        ("--load-restrictor LoadRestrictionsNone --enable-helm", Flags(restrict=False)),
        ("--load-restrictor=LoadRestrictionsNone", Flags(restrict=False)),
        ("--reorder none --enable-managedby-label", Flags(order="none", managed_by_label=True)),
        ("--enable-managedby-label=false -o out.yaml", Flags()),
        ("--helm-kube-version 1.30.0 --helm-api-versions a/v1 --helm-api-versions b/v1",
         Flags(kube_version="1.30.0", api_versions=("a/v1", "b/v1"))),
    ],
)  # fmt: skip
def test_flags_are_read(text: str, expected: Flags) -> None:
    """As pflag reads them."""
    assert expected == read_flags(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--load-restrictor foo",
         "illegal flag value --load-restrictor foo; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]"),
        ("--reorder foo", "illegal flag value --reorder foo; legal values: [legacy none]"),
        ("--enable-helm=maybe",
         'invalid argument "maybe" for "--enable-helm" flag: strconv.ParseBool: parsing "maybe": invalid syntax'),
        ("--enable-star", "unknown flag: --enable-star"),
        ("-x", "unknown shorthand flag: 'x' in -x"),
        ("--output", "flag needs an argument: --output"),
    ],
)  # fmt: skip
def test_wrong_flags_are_refused(text: str, expected: str) -> None:
    """In the words of ``kustomize build``."""
    with pytest.raises(KustomizeProblem) as problem:
        read_flags(text)
    assert expected == problem.value.message
