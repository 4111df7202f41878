"""Back-off: base, factor, cap and jitter."""

from trueup.timing.backoff import Backoff


def test_delays_grow_to_the_cap() -> None:
    """Each failure doubles the delay until the cap."""
    backoff = Backoff(base=0.5, cap=10)
    assert [backoff.delay(n) for n in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10, 10]


def test_many_failures_overflow_nothing() -> None:
    """A million failures wait no longer than the cap."""
    assert Backoff(base=0.5, cap=10).delay(1_000_000) == 10


def test_jitter_adds_a_share_by_chance() -> None:
    """The random number that is handed in scales the share."""
    backoff = Backoff(base=10, cap=60, jitter=0.2)
    assert [backoff.delay(1, 0.0), backoff.delay(1, 0.5)] == [10.0, 11.0]


def test_a_factor_of_one_stays() -> None:
    """A constant delay is a back-off too."""
    assert Backoff(base=3, cap=60, factor=1).delay(9) == 3
