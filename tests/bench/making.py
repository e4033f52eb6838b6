"""How fast data, catalogues and twins are made."""

import shutil
import time
from pathlib import Path

from harness.federation import make_site
from twinpane_hub.data.make import make_data
from twinpane_kernel.twin import PERSONS, write_twin
from twinpane_site.config import load_site

from .figures import Line, alone


def making(root: Path, persons: int, count: int, folders: dict[str, Path]) -> list[Line]:
    """Generated patients a second, drafted rows a second, and the time of one twin."""
    data, rates, drafts, twins = root / "data-rate", [], [], []
    rows = 0
    for turn in range(count):
        began = time.perf_counter()
        rows = sum(make_data(data, persons, turn).values())
        rates.append(persons / (time.perf_counter() - began))
        began = time.perf_counter()
        make_site(root / f"site-rate-{turn}", "rate", data)
        drafts.append(rows / (time.perf_counter() - began) / 1e6)
    catalogues = [load_site(folder).catalogue.published for folder in folders.values()]
    for turn in range(count):
        folder = root / f"twin-rate-{turn}"
        folder.mkdir()
        began = time.perf_counter()
        write_twin(catalogues, folder)
        twins.append(time.perf_counter() - began)
        shutil.rmtree(folder)
    return [
        alone("data: generated patients", "a second", rates, None, f"{persons:,} patients, all tables, Parquet on the disk"),
        alone("site init: drafted rows", "M a second", drafts, None, f"{rows:,} rows, the process's start included"),
        alone(f"twin of {len(catalogues)} sites, {PERSONS:,} persons", "s", twins),
    ]
