"""The two hospitals: GiBleed, a public OMOP data set, and generated data; with the catalogues that drafts give."""

from dataclasses import dataclass
from pathlib import Path

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import SqliteMemory
from twinpane_broker.rules.policy import PRESETS, USUAL_FLOOR, Rules, load_rules
from twinpane_hub.data.make import make_data
from twinpane_site.draft import draft_catalogue

GIBLEED = Path(__file__).resolve().parents[1] / "data" / "gibleed"
USUAL = "10-5"
PERSONS = 20_000
SEED = 7
SECRET = b"the same at each run, for figures"


@dataclass(frozen=True)
class Hospital:
    """A hospital's data, what a broker needs to answer questions about them, and a folder for its memories."""

    name: str
    data: Path
    catalogue: Catalogue
    rules: Rules
    engine: DuckEngine
    folder: Path

    def broker(self, project: str) -> Broker:
        """A broker with a durable memory that only this project has asked."""
        memory = SqliteMemory(self.folder / f"{self.name}-{project}.db")
        vocabulary = Vocabulary.load(self.data)
        return Broker(self.catalogue, self.rules, self.engine, memory, vocabulary=vocabulary, project=project, secret=SECRET)


def rules_of(preset: str) -> Rules:
    """A preset's rules, with its own threshold."""
    threshold = PRESETS[preset]["threshold"]
    return load_rules({"preset": preset, "threshold": threshold, "accept_low_threshold": threshold < USUAL_FLOOR})


def generated(folder: Path, preset: str = USUAL, persons: int = PERSONS) -> Hospital:
    """``twinpane data make`` in a folder, drafted."""
    data = folder / "generated"
    make_data(data, persons, SEED)
    return _opened("generated", data, folder, rules_of(preset))


def gibleed(folder: Path, preset: str = USUAL) -> Hospital:
    """GiBleed, drafted."""
    return _opened("gibleed", GIBLEED, folder, rules_of(preset))


def _opened(name: str, data: Path, folder: Path, rules: Rules) -> Hospital:
    catalogue = draft_catalogue(data, "person_id", name, name, rules, "2026-10").catalogue
    engine = DuckEngine(build_store(data, catalogue, folder / f"{name}.duckdb"))
    return Hospital(name, data, catalogue, rules, engine, folder)
