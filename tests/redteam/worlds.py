"""One site on data sets that differ: as it is, with one person changed, with everyone changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.federation import make_site, same_site_on, set_policy
from twinpane_hub.data.make import make_data

PERSONS = 400


@dataclass(frozen=True)
class World:
    """A site's folder and the data that it was made of."""

    folder: Path
    data: Path

    def again(self, folder: Path) -> "World":
        """The same site on the same rows with nothing remembered."""
        return World(same_site_on(folder, self.folder, self.data), self.data)


def make_worlds(base: Path, day_bits: float) -> Mapping[str, World]:
    """Three of them, that have the same key, catalogue and policy."""
    make_data(base / "data", PERSONS, seed=1)
    make_data(base / "other", PERSONS, seed=99)
    (base / "one").mkdir()
    for file in (base / "data").iterdir():
        frame = pd.read_parquet(file)
        if file.stem == "person":
            frame.loc[0, "year_of_birth"] += 1
        frame.to_parquet(base / "one" / file.name)
    site = make_site(base / "site", "a", base / "data")
    set_policy(site, "day_bits", day_bits)
    set_policy(site, "total_bits", 10 * day_bits)
    others = {name: World(same_site_on(base / f"site-{name}", site, base / name), base / name) for name in ("one", "other")}
    return {"as it is": World(site, base / "data"), "one person": others["one"], "everyone": others["other"]}
