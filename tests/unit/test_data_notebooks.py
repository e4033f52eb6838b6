"""The tutorial notebooks: well-formed, without outputs, and their code runs on the twin and on real rows alike."""

import ast
import io
import math
import tokenize
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import nbformat
import pytest

from twinpane_broker.check.resolve import check
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from twinpane_hub.data.actg import make_actg175
from twinpane_hub.data.make import make_data
from twinpane_hub.data.mixes import MIXES
from twinpane_kernel.twin import write_twin
from twinpane_site.draft import draft_catalogue

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = ("first_look", "actg175")


def _read(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def _code(name):
    return [cell.source for cell in _read(name).cells if cell.cell_type == "code"]


class Asked:
    """What a notebook said to ``twinpane``."""

    def __init__(self):
        self.sql, self.revealed, self.exported = [], [], []


def _fake_twinpane(asked):
    class Question:
        def where(self, **conditions):
            return self

        def crosstab(self, rows, columns):
            return None

    fake = ModuleType("twinpane")
    fake.sql = asked.sql.append
    fake.table = lambda name: Question()
    fake.reveal = lambda value, name, digits=3: asked.revealed.append((name, float(value), digits))
    fake.request_export = lambda cells, **texts: asked.exported.append((cells, texts))
    return fake


def _run(name, data, monkeypatch):
    """Run the cells as plain Python on the data; returns what was asked and which cells failed with what."""
    mpl.use("Agg")
    asked, failed, scope = Asked(), {}, {"__name__": "__main__"}
    monkeypatch.setitem(__import__("sys").modules, "twinpane", _fake_twinpane(asked))
    for number, source in enumerate(_code(name), start=1):
        try:
            exec(compile(source.replace('"/data/', f'"{data}/'), f"cell {number}", "exec"), scope)
        except Exception as error:
            failed[number] = type(error).__name__
    return asked, failed


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Real rows and twin of each notebook: a folder by name."""
    root = tmp_path_factory.mktemp("worlds")
    catalogues = []
    for mix in MIXES:
        make_data(root / mix, 3000, seed=1, mix=mix)
        catalogues.append(draft_catalogue(root / mix, "person_id", mix, "", Rules(threshold=10), "s1").catalogue.published)
    make_data(root / "tiny", 40, seed=1)
    write_twin(catalogues, root / "twin")
    write_twin(catalogues, root / "tiny-twin", persons=12)
    trials = [
        draft_catalogue(folder, "person_id", folder.name, "", Rules(threshold=10), "s1").catalogue.published
        for folder in make_actg175(root / "actg", 3)
    ]
    write_twin(trials, root / "actg-twin")
    return root, {"first_look": catalogues, "actg175": trials}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_names_its_kernel_and_has_no_output(name):
    """A notebook is valid, names the kernel and stores no output."""
    notebook = _read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert dict(notebook.metadata.kernelspec) == {"name": "twinpane", "display_name": "Twinpane", "language": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            ast.parse(cell.source)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_wider_than_a_screen(name):
    assert max(len(line) for source in _code(name) for line in source.splitlines()) <= 110


@pytest.mark.slow
@pytest.mark.parametrize("world", ["twin", "tiny-twin"])
def test_first_look_runs_on_the_twin_without_a_failure(worlds, monkeypatch, world):
    asked, failed = _run("first_look", worlds[0] / world, monkeypatch)
    assert failed == {}
    assert [name for name, _, _ in asked.revealed] == ["AUC"]


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_first_look_fails_on_real_rows_only_where_it_says_so(worlds, monkeypatch, mix):
    asked, failed = _run("first_look", worlds[0] / mix, monkeypatch)
    ((number, error),) = failed.items()
    assert error == "AssertionError"
    assert "assert rows <= 1000" in _code("first_look")[number - 1]
    ((_, auc, digits),) = asked.revealed
    assert digits == 3
    assert 0.75 < auc < 1


def test_first_look_runs_at_a_tiny_site(worlds, monkeypatch):
    _, failed = _run("first_look", worlds[0] / "tiny", monkeypatch)
    assert failed == {}


def test_the_model_finds_much_in_real_rows_not_in_the_twin(worlds, monkeypatch):
    """The model finds nothing in the twin, and much in real rows."""
    outside, _ = _run("first_look", worlds[0] / "twin", monkeypatch)
    inside, _ = _run("first_look", worlds[0] / "metro", monkeypatch)
    assert outside.revealed[0][1] < 0.7 < inside.revealed[0][1]


def test_the_export_asks_for_the_cell_of_the_plot(worlds, monkeypatch):
    asked, _ = _run("first_look", worlds[0] / "twin", monkeypatch)
    ((cells, texts),) = asked.exported
    assert ["plt.show" in _code("first_look")[n - 1] for n in cells] == [True]
    assert len(cells) == 1
    assert texts["purpose"]
    assert "request_export" in _code("first_look")[-1]


def test_actg175_finds_the_trials_effect_at_every_site(worlds, monkeypatch):
    """ACTG 175 runs on the twin and finds the trial's effect at every site."""
    _, failed = _run("actg175", worlds[0] / "actg-twin", monkeypatch)
    assert failed == {}
    for site in ("site-1", "site-2", "site-3"):
        asked, failed = _run("actg175", worlds[0] / "actg" / site, monkeypatch)
        assert failed == {}
        found = {name.split(",")[0]: value for name, value, _ in asked.revealed}
        assert 0.3 < found["odds ratio"] < 0.8
        assert 0.6 < found["AUC"] < 0.85


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_the_same_number_each_time(worlds, monkeypatch, name):
    data = worlds[0] / ("valley" if name == "first_look" else "actg/site-1")
    first, second = (_run(name, data, monkeypatch)[0].revealed for _ in range(2))
    assert first == second
    assert all(math.isfinite(value) for _, value, _ in first)


@pytest.mark.parametrize("name", NAMES)
def test_every_sites_draft_allows_each_query_of_a_notebook(worlds, monkeypatch, name):
    """Every query of a notebook is allowed by every site's draft."""
    asked, _ = _run(name, worlds[0] / ("twin" if name == "first_look" else "actg-twin"), monkeypatch)
    assert len(asked.sql) >= 2
    for text in asked.sql:
        for catalogue in worlds[1][name]:
            assert check(parse_sql(text), catalogue).cells


@pytest.mark.parametrize("name", NAMES)
def test_code_cells_speak_for_themselves(name):
    """Prose stands in the text cells: a comment in code would say it twice."""
    for source in _code(name):
        kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(source).readline)]
        assert tokenize.COMMENT not in kinds
