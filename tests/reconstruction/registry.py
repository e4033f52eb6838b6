"""All attacks by name, with the presets that each is tried on."""

from functools import partial

from .around import AROUND, around
from .balance import balance
from .bands import BANDS, bands
from .beside import BESIDE, beside
from .certain import CERTAIN, certain
from .descriptions import descriptions
from .flips import flips
from .known import known_days, known_rows, known_values
from .lenses import mean_and_sum, rows
from .linear import KINDS, linear
from .oracles import ORACLES, oracle
from .plain import SHOWN, TOLD, noise_refused, one_bin
from .scale import scale
from .setting import Attack
from .shared import one_in_two_cells, overlap
from .spreads import spreads
from .thresholds import PLACED, thresholds
from .together import TOGETHER, together
from .values import across_tables, new_snapshot

ATTACKS: dict[str, Attack] = {
    **{name: partial(oracle, name=name) for name in ORACLES},
    "flips": flips,
    "scale": scale,
    "balance": balance,
    **{name: partial(thresholds, name=name) for name in PLACED},
    "descriptions": descriptions,
    "spread": spreads,
    "known values": known_values,
    "known rows": known_rows,
    "known days": known_days,
    **{kind.name: partial(together, kind=kind) for kind in TOGETHER},
    **{name: partial(around, name=name) for name in AROUND},
    **{name: partial(beside, name=name) for name in BESIDE},
    **{name: partial(certain, name=name) for name in CERTAIN},
    "overlap": overlap,
    "one in two cells": one_in_two_cells,
    "avg and sum": mean_and_sum,
    "rows": rows,
    **{band.name: partial(bands, band=band) for band in BANDS},
    "across tables": across_tables,
    "new snapshot": new_snapshot,
    **{name: partial(one_bin, name=name) for name in (SHOWN, TOLD)},
    "noise refused": noise_refused,
    **{kind.name: partial(linear, kind=kind) for kind in KINDS},
}
PRESETS = ("10-5", "cms-11", "all-of-us-20", "omop-5", "cell-key", "dp")
ON_NOISE = ("noise refused",)
"""What is tried on differential privacy, and on it alone."""
ON_EXACT = ("spread",)
"""What starts from an exact count."""
ON_ROUNDED = ("avg and sum", "rows")
"""What shows a hidden count: pointless where counts are exact."""


def is_tried(attack: str, preset: str) -> bool:
    """Whether an attack makes sense under a preset."""
    if preset == "dp" or attack in ON_NOISE:
        return preset == "dp" and attack in ON_NOISE
    rounded = preset in ("10-5", "cell-key")
    return attack not in (ON_EXACT if rounded else ON_ROUNDED)
