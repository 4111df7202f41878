"""How long to wait after the n-th failure. Called by the runtime's queue and by sync retries; the random number comes in.

Source: client-go ``ItemExponentialFailureRateLimiter`` (base, doubled, capped) and ``wait.Jitter``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """``base`` seconds after the first failure, ``factor`` times more after each further one, at most ``cap``."""

    base: float
    cap: float
    factor: float = 2.0
    jitter: float = 0.0
    """The share of the delay that chance may add: 0.1 makes 10 s into 10 to 11 s."""

    def delay(self, failures: int, chance: float = 0.0) -> float:
        """Seconds to wait after so many failures in a row (1 is the first); ``chance`` is drawn from [0, 1)."""
        return self._plain(failures) * (1.0 + self.jitter * chance)

    def _plain(self, failures: int) -> float:
        if failures <= 1 or self.factor <= 1.0:
            return min(self.base, self.cap)
        delay = self.base
        for _ in range(failures - 1):
            delay *= self.factor
            if delay >= self.cap:  # leaves early, so that a thousand failures overflow nothing
                return self.cap
        return delay
