"""Real patients: the ACTG 175 trial, one table, split over sites.

2,139 people with HIV and 200 to 500 CD4 cells per mm³ were randomised to one of four treatments (Hammer et al.,
N Engl J Med 1996; 335: 1081-1090). Source and licence of the file: ``actg175.txt`` beside it.
"""

from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

ARMS = ("zidovudine", "zidovudine + didanosine", "zidovudine + zalcitabine", "didanosine")
HISTORY = ("naive", "up to 52 weeks", "more than 52 weeks")

_PLAIN = {
    "age": "age",
    "weight": "wtkg",
    "karnof": "karnof",
    "cd40": "cd40",
    "cd420": "cd420",
    "cd496": "cd496",
    "cd80": "cd80",
    "cd820": "cd820",
    "days": "days",
    "event": "cens",
}
_NAMED = {
    "arm": ("arms", ARMS, 0),
    "sex": ("gender", ("female", "male"), 0),
    "race": ("race", ("white", "non-white"), 0),
    "symptom": ("symptom", ("no", "yes"), 0),
    "history": ("strat", HISTORY, 1),
}
_ORDER = ("arm", "age", "sex", "race", "weight", "karnof", "history", "symptom", "cd40", "cd420", "cd496", "cd80", "cd820", "days", "event")


def trial_table() -> pa.Table:
    """The trial as one table, a row per person, in the file's order.

    ``arm`` names the treatment; ``cd40``, ``cd420``, ``cd496`` are CD4 cells per mm³ at week 0, 20 ± 5 and 96 ± 5 (often
    missing); ``cd80``, ``cd820`` CD8 cells; ``weight`` in kg; ``karnof`` the Karnofsky score; ``history`` earlier antiretroviral
    treatment; ``days`` until ``event`` (1: CD4 fell by half, AIDS or death; 0: censored).
    """
    with resources.files(__package__).joinpath("actg175.csv").open("rb") as file:
        raw = pyarrow.csv.read_csv(file, convert_options=pyarrow.csv.ConvertOptions(null_values=["NA"]))
    columns = {name: raw[source].combine_chunks() for name, source in _PLAIN.items()}
    for name, (source, names, first) in _NAMED.items():
        columns[name] = pa.array(names).take(pc.subtract(raw[source].combine_chunks(), first))
    return pa.table({"person_id": pa.array(range(1, len(raw) + 1), pa.int64())} | {name: columns[name] for name in _ORDER})


def make_actg175(folder: Path, sites: int) -> list[Path]:
    """Assign the trial's people in turn to ``folder/site-1`` … ``site-n``, write each folder's ``trial.parquet``, and return the folders.

    Persons are numbered from 1 at each site. Raises ValueError for fewer than one site.
    """
    if sites < 1:
        raise ValueError("the trial needs at least one site: give a number above 0")
    trial = trial_table()
    folders = []
    for site in range(sites):
        table = trial.take(pa.array(range(site, len(trial), sites)))
        table = table.set_column(0, "person_id", pa.array(range(1, len(table) + 1), pa.int64()))
        folders.append(folder / f"site-{site + 1}")
        folders[-1].mkdir(parents=True, exist_ok=True)
        part = folders[-1] / "trial.parquet.part"
        pq.write_table(table, part, compression="zstd")
        part.replace(folders[-1] / "trial.parquet")
    return folders
