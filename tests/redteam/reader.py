"""The decoder of content: given transcripts of one program on rows that differ, what can be read.

What is not metered must be equal, so its distinguishable values are counted as they are: with n classes among the transcripts, log2 n
bits were recovered. Texts of the secrets, in every writing of the grammar, are searched for in all bytes. From verdicts, which are
metered, bits are read as the program sent them, to be set beside what the meter counted.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinpane_wire.prefix_code import Outcome

from .timing.decoder import entropy
from .transcript import Transcript

WAYS = 4
"""Number of ways to signal, used in turn; the last one signals nothing."""
WINDOW = 12
"""Characters of a secret that are looked for."""


@dataclass(frozen=True)
class Reading:
    """What was read of a program's transcripts."""

    told: Mapping[str, int]
    """Features that differ, and the number of their values."""
    recovered: float
    """Bits read from what is not metered."""
    metered: float
    """Bits that the meter counted, of the dearest run."""
    from_verdicts: float
    """Bits read from the verdicts of the cells that signal."""
    found: Sequence[str]
    """Secrets found in bytes that left."""


def read(runs: Mapping[str, Transcript], twin: bytes = b"", signals: range = range(0)) -> Reading:
    """Compare, search and decode. ``signals`` are the numbers of the cells that signal one bit each; to read them, one has to know the
    ``twin``'s secret too."""
    features = {name: run.features() for name, run in runs.items()}
    names = {feature for each in features.values() for feature in each}
    values = {feature: {each.get(feature) for each in features.values()} for feature in names}
    told = {feature: len(found) for feature, found in values.items() if len(found) > 1}
    classes = {tuple(each.get(feature) for feature in sorted(names)) for each in features.values()}
    return Reading(
        told, math.log2(len(classes)), max(run.spent for run in runs.values()),
        sum(_signals(run, twin, signals) for run in runs.values()) / len(runs),
        [f"{name}: {writing}" for name, run in runs.items() for writing in writings(run.secret) if writing in run.raw],
    )  # fmt: skip


def writings(secret: bytes) -> set[str]:
    """Parts of a secret as cells write them: hexadecimal, base64, bits, doubled hexadecimal, backwards."""
    text = secret.hex()
    bits = "".join(map(str, _bits(secret)))
    whole = {
        text, text[::-1], text.encode().hex(), base64.b64encode(text.encode()).decode(), base64.b64encode(secret).decode(),
        bits, bits[::-1], base64.b64encode(bits.encode()).decode(), bits.encode().hex(),
    }  # fmt: skip
    # Where few signs are used (digits of bits, and their base64), chance alone would find a short part.
    return {one[at : at + WINDOW * (6 if len(set(one)) < 12 else 1)] for one in whole for at in (0, 24)}


def _signals(run: Transcript, twin: bytes, signals: range) -> float:
    """Bits that the verdicts of signalling cells tell, by a reader who knows how each signals: by failing or by output, which is
    the same where the bit is the twin's, or by time."""
    bits, known = _bits(run.secret), _bits(twin)
    ways: dict[int, list[bool]] = {}
    for body in run.metered:
        if body["kind"] != "verdict" or body["cell"] not in signals or (place := body["cell"] - signals.start) % WAYS == WAYS - 1:
            continue
        at = place % len(bits)
        guess = body["tick"] > 0 if place % WAYS == 2 else bool(known[at]) == (body["outcome"] == Outcome.same)
        ways.setdefault(place % WAYS, []).append(guess == bool(bits[at]))
    shares = {way: sum(hits) / len(hits) for way, hits in ways.items()}
    return sum(len(ways[way]) * (1 - entropy(share)) for way, share in shares.items() if share > 0.5)


def _bits(secret: bytes) -> list[int]:
    return [byte >> i & 1 for byte in secret for i in range(8)]
