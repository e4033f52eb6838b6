"""How much later messages leave while a kernel is busy, and the most that those delays can tell once departures are drawn.

Whoever sees a departure sees the law's draw plus the delay. To tell a delay d from none under a law of spread s is worth at most (d / s)²
/ 5 bits (its Fisher information, halved twice for one even bit). Delays vary, idle and busy. Information is convex in what is mixed, so
it is at most the mean over any way to pair idle with busy delays; the cheapest pairs equal ranks, and its mean square (Wasserstein's
distance, squared) takes the place of d². Each departure is counted as if it were fresh, twice where a delay moves the cut of its slot
too. So many departures an hour make an upper end, which needs no decoder and little time.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinpane_site.paced_connection import PONG_S, PONG_SPREAD_S
from twinpane_site.send_slots import BEAT_S, LAG_S, SPREAD_S

from .decoder import Probe

RANKS = 400
"""At which two samples are compared."""


@dataclass(frozen=True)
class Lateness:
    """Of one kind of answer: delays in milliseconds, and the most that they can tell, in bits an hour, with a 95 % bootstrap interval."""

    kind: str
    an_hour: float
    idle_ms: float
    busy_ms: float
    moved_ms: float
    """Root mean square of busy less idle, rank by rank."""
    late: float
    """Share of busy departures that were more than a tenth of the slots' spread late."""
    bits_an_hour: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.kind}: median {self.idle_ms:.2f} ms idle, {self.busy_ms:.2f} busy; moved by {self.moved_ms:.2f} ms, "
            f"{self.late:.1%} late; at most {self.bits_an_hour:.2f} [{self.low:.2f}, {self.high:.2f}] bits an hour"
        )


def lateness(windows: Sequence[Sequence[Probe]], bits: Sequence[int], start: float, length: float) -> list[Lateness]:
    """From probes of an agent that draws nothing: ``start`` of the first window, ``length`` of one, both in seconds."""
    probes = [probe for window in windows for probe in window]
    found = []
    kinds = (("acknowledgements", SPREAD_S, 2, *_acks(probes)), ("pongs", PONG_SPREAD_S, 1, *_pongs(probes)))
    for kind, spread, times_each, delays, times in kinds:
        said = np.array([bits[min(max(int((at - start) / length), 0), len(bits) - 1)] for at in times])
        found.append(_of(kind, spread, np.array(delays), said, times_each * len(delays) * 3600 / (len(bits) * length)))
    return found


def of_slots(kind: str, left: Sequence[Sequence[float]], bits: Sequence[int], seconds: float) -> Lateness:
    """From the times at which link messages left while each bit was said, in ``seconds`` for all bits."""
    delays = [(delay, bit) for times, bit in zip(left, bits, strict=True) for delay in _after_slots(times)[0]]
    late, said = np.array([delay for delay, _ in delays]), np.array([bit for _, bit in delays])
    return _of(kind, SPREAD_S, late, said, 2 * len(delays) * 3600 / seconds)


def _acks(probes: Sequence[Probe]) -> tuple[list[float], list[float]]:
    return _after_slots([p.left for p in probes if p.kind == "ack" and p.left is not None])


def _after_slots(left: Sequence[float]) -> tuple[list[float], list[float]]:
    """Delays after the slot's departure, of each slot, and when. Slots lie on the monotonic clock, times on the other."""
    offset = time.time() - time.monotonic()
    times = sorted(set(left))
    firsts = [at for at, before in zip(times, [0.0, *times], strict=False) if at - before > BEAT_S / 2]
    phases = [(at - offset - LAG_S) % BEAT_S for at in firsts]
    return [phase if phase < 0.9 * BEAT_S else phase - BEAT_S for phase in phases], firsts


def _pongs(probes: Sequence[Probe]) -> tuple[list[float], list[float]]:
    """Delays after a pong's pause, which begins with the first ping after the pong before."""
    sent = sorted(p.sent for p in probes if p.kind == "pong")
    left = sorted(p.left for p in probes if p.kind == "pong" and p.left is not None)
    began = np.searchsorted(sent, left)
    pairs = [(left[i] - sent[began[i - 1]] - PONG_S, left[i]) for i in range(1, len(left)) if began[i - 1] < len(sent)]
    return [delay for delay, _ in pairs], [at for _, at in pairs]


def _of(kind: str, spread: float, delays: np.ndarray, said: np.ndarray, an_hour: float) -> Lateness:
    idle, busy = delays[said == 0], delays[said == 1]
    rng = np.random.default_rng(0)
    squares = [_moved(rng.choice(idle, len(idle)), rng.choice(busy, len(busy))) for _ in range(500)]
    worth = [float(an_hour * square / spread**2 / 5) for square in (_moved(idle, busy), *np.quantile(squares, (0.025, 0.975)))]
    return Lateness(
        kind, an_hour, 1000 * float(np.median(idle)), 1000 * float(np.median(busy)), 1000 * float(np.sqrt(_moved(idle, busy))),
        float(np.mean(busy > np.median(idle) + SPREAD_S / 10)), *worth,
    )  # fmt: skip


def _moved(idle: np.ndarray, busy: np.ndarray) -> float:
    """Wasserstein's distance of two samples, squared."""
    ranks = (np.arange(RANKS) + 0.5) / RANKS
    return float(np.mean((np.quantile(busy, ranks) - np.quantile(idle, ranks)) ** 2))
