"""The two hospitals: GiBleed, a public OMOP data set, and generated data; with the catalogues that drafts give."""

from dataclasses import dataclass
from pathlib import Path

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import SqliteMemory
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_hub.data.make import make_data
from twinpane_site.draft import draft_catalogue

GIBLEED = Path(__file__).resolve().parents[1] / "data" / "gibleed"
RULES = load_rules({"preset": "10-5", "threshold": 10})
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


def generated(folder: Path, persons: int = PERSONS) -> Hospital:
    """``twinpane data make`` in a folder, drafted."""
    data = folder / "generated"
    make_data(data, persons, SEED)
    return _opened("generated", data, folder)


def gibleed(folder: Path) -> Hospital:
    """GiBleed, drafted."""
    return _opened("gibleed", GIBLEED, folder)


def _opened(name: str, data: Path, folder: Path) -> Hospital:
    catalogue = draft_catalogue(data, "person_id", name, name, RULES, "2026-10").catalogue
    engine = DuckEngine(build_store(data, catalogue, folder / f"{name}.duckdb"))
    return Hospital(name, data, catalogue, RULES, engine, folder)
