"""Three hospitals with different populations: ages, sexes, races and diseases."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Mix:
    """One site's population.

    ``ages``: quantiles in years, at equal steps of probability. ``female`` and ``hispanic``: shares. ``races``: shares in the order of
    ``vocabulary.RACES``. ``more``: a shift in the log-odds of each named disease.
    """

    name: str
    number: int  # part of the seed, so that mixes never share a random stream
    ages: tuple[float, ...]
    female: float
    races: tuple[float, ...]
    hispanic: float
    visits: float
    more: MappingProxyType[str, float]


MIXES = MappingProxyType(
    {
        mix.name: mix
        for mix in (
            Mix(
                "metro",
                1,
                (0, 14, 25, 32, 39, 46, 53, 61, 71, 97),
                0.53,
                (0.17, 0.24, 0.54, 0.02, 0.03),
                0.22,
                1.2,
                MappingProxyType({"asthma": 0.35, "type 2 diabetes": 0.15}),
            ),
            Mix(
                "valley",
                2,
                (0, 12, 24, 35, 45, 54, 61, 68, 76, 99),
                0.50,
                (0.03, 0.05, 0.84, 0.01, 0.07),
                0.12,
                0.9,
                MappingProxyType({"type 2 diabetes": 0.4, "chronic obstructive lung disease": 0.5}),
            ),
            # No Pacific islanders here, so that two sites list this code and the third does not.
            Mix(
                "coast",
                3,
                (1, 24, 40, 51, 59, 65, 70, 76, 83, 102),
                0.56,
                (0.08, 0.09, 0.81, 0.0, 0.02),
                0.06,
                1.6,
                MappingProxyType({"osteoarthritis": 0.3, "heart failure": 0.2, "depression": -0.2}),
            ),
        )
    }
)
