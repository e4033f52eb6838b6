"""The notebooks that we ship, run the whole way: three sites, real sandboxes, no browser. What is called real is held against the rows."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from harness.federation import federation, make_site
from harness.gibleed import GIBLEED
from twinpane_hub.data.actg import make_actg175
from twinpane_hub.data.make import make_data

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SITES = "abc"


def run(notebook: Path, out: Path, sites: list[Path], *options: str) -> tuple[int, Any]:
    """`twinpane run` as a schedule would start it; returns its exit status and the executed notebook."""
    command = [
        sys.executable,
        "-I",
        "-m",
        "twinpane_cli",
        "run",
        str(notebook),
        "--out",
        str(out),
        "--sites",
        ",".join(map(str, sites)),
    ]
    own = {**os.environ, "TWINPANE_CACHE": str(sites[0].parent / "cache")}
    done = subprocess.run([*command, *options], cwd=notebook.parent, capture_output=True, text=True, timeout=500, check=False, env=own)
    assert out.exists(), done.stdout[-2000:] + done.stderr[-4000:]
    return done.returncode, nbformat.read(out, as_version=4)


def cells(notebook: Any) -> list[tuple[str, dict[str, Any]]]:
    """Source and record of each code cell."""
    return [(cell.source, cell.metadata.get("twinpane", {})) for cell in notebook.cells if cell.cell_type == "code"]


def record(notebook: Any, part: str) -> dict[str, Any]:
    """The record of the one cell whose source has this in it."""
    found = [told for source, told in cells(notebook) if part in source]
    assert len(found) == 1, f"{part!r} is in {len(found)} cells"
    return found[0]


def shown(notebook: Any, part: str) -> str:
    """What the cell with this in its source shows, as text."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source)
    return "\n".join(str(output.get("data", {}).get("text/plain", output.get("text", ""))) for output in cell.outputs)


def verdicts(told: dict[str, Any]) -> set[str]:
    """What the sites said of a cell."""
    return {site["verdict"] for site in told["sites"].values()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three sites with generated patients, drafted and used as they are."""
    base = tmp_path_factory.mktemp("generated")
    for number, name in enumerate(SITES):
        make_data(base / f"data-{name}", 3000, seed=number, mix=["metro", "valley", "coast"][number])
        make_site(base / name, name, base / f"data-{name}")
    return {name: base / name for name in SITES}


def test_first_look_tells_what_is_real_and_what_is_not(generated: dict[str, Path], tmp_path: Path) -> None:
    """Rows are synthetic, what does not depend on them is real, counts are the sites' own, a failure is a class and a line."""
    notebook = tmp_path / "first_look.ipynb"
    notebook.write_text((ROOT / "notebooks" / "first_look.ipynb").read_text())
    status, ran = run(notebook, tmp_path / "out.ipynb", list(generated.values()))
    assert status == 4, "one cell fails on real rows on purpose"
    assert verdicts(record(ran, "person.head()")) == {"differs"}
    assert record(ran, "person.head()")["mark"] == "synthetic"
    assert verdicts(record(ran, 'print("ready")')) == {"same"}
    assert record(ran, "person.dtypes")["mark"] == "real"
    failed = record(ran, "assert rows <= 1000")
    assert {(site["failure"], site["line"]) for site in failed["sites"].values()} == {("AssertionError", 2)}
    reveal = record(ran, "tp.reveal(")["reveals"][0]
    assert set(reveal["values"]) == set(SITES)
    assert all(0.5 < value <= 1 and len(f"{value:g}") <= 5 for value in reveal["values"].values()), (
        "three digits, and the model found something"
    )
    for name, folder in generated.items():
        people = pd.read_parquet(folder.parent / f"data-{name}" / "person.parquet")
        for sex, count in people["sex"].value_counts().items():
            told = [f"{multiple:,}" in shown(ran, "select sex, count(*) n") for multiple in (count // 5 * 5, -(-count // 5) * 5)]
            assert any(told), f"{count} of {sex} at {name}, rounded to 5"
    assert not [output for cell in ran.cells for output in cell.get("outputs", []) if output.output_type == "error"], "it runs on the twin"


def test_every_answer_in_the_questions_notebook_is_real(generated: dict[str, Path], tmp_path: Path) -> None:
    """Catalogue, tables, pictures, cohort and refusals: the same bytes in both runs of every cell, at every site."""
    notebook = tmp_path / "questions.ipynb"
    notebook.write_text((ROOT / "notebooks" / "questions.ipynb").read_text())
    status, ran = run(notebook, tmp_path / "out.ipynb", list(generated.values()))
    assert status == 0
    assert {source: verdicts(told) for source, told in cells(ran) if verdicts(told) != {"same"}} == {}
    assert not [output for cell in ran.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert "persons" in shown(ran, 'crosstab("sex", "race")')
    assert "Withheld by the site's disclosure rules" in shown(ran, "select max(age)")


def test_actg175_runs_on_real_patients(tmp_path: Path) -> None:
    """Counts by arm, means of CD4, an event model and a reveal, on the 2,139 people of the trial, split over three sites."""
    folders = []
    for name, data in zip(SITES, make_actg175(tmp_path / "trial", 3), strict=True):
        folders.append(make_site(tmp_path / name, name, data))
    notebook = tmp_path / "actg175.ipynb"
    notebook.write_text((ROOT / "notebooks" / "actg175.ipynb").read_text())
    status, ran = run(notebook, tmp_path / "out.ipynb", folders)
    assert status in (0, 4)
    told = [told for source, told in cells(ran) if "tp.sql(" in source]
    assert told
    assert all(verdicts(one) == {"same"} and one["releases"] for one in told), "what the brokers released is the same in both runs"
    revealed = [one["reveals"] for _, one in cells(ran) if one["reveals"]]
    assert revealed
    assert all(value is not None for reveals in revealed for one in reveals for value in one["values"].values())


def test_gibleeds_counts_agree_with_plain_duckdb_after_the_rule(tmp_path: Path) -> None:
    """2,694 persons as three sites: counts by sex and condition, against DuckDB on the same rows with the rule applied by hand."""
    folders = []
    for part, name in enumerate(SITES):
        data = tmp_path / f"data-{name}"
        data.mkdir()
        for table in ("person", "condition_occurrence", "drug_exposure", "visit_occurrence"):
            duckdb.sql(f"copy (from '{GIBLEED / table}.parquet' where person_id % 3 = {part}) to '{data / table}.parquet' (format parquet)")
        folders.append(make_site(tmp_path / name, name, data))
    counted = "count(*) n, count(distinct person_id) persons from"
    questions = {
        "sex": f"select gender_source_value, {counted} person group by gender_source_value",
        "condition": f"select condition_concept_id, {counted} condition_occurrence group by condition_concept_id",
    }
    book = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell("import json, twinpane as tp"),
        *(nbformat.v4.new_code_cell(
            f"t = tp.sql('''{question}''')\nprint(json.dumps({{s: r.model_dump(mode='json')['rows'] for s, r in t.releases.items()}}))"
        ) for question in questions.values()),
    ])  # fmt: skip
    book.metadata.kernelspec = {"name": "twinpane", "display_name": "Twinpane", "language": "python"}
    nbformat.write(book, tmp_path / "counts.ipynb")
    status, ran = run(tmp_path / "counts.ipynb", tmp_path / "out.ipynb", folders)
    assert status == 0
    for cell, question in zip(ran.cells[1:], questions.values(), strict=True):
        assert cell.metadata.twinpane["mark"] == "real"
        told = json.loads(cell.outputs[0].text)
        for part, name in enumerate(SITES):
            table = question.split(" from ")[1].split()[0]
            rows = duckdb.sql(
                question.replace(f" from {table}", f" from '{GIBLEED / table}.parquet' where person_id % 3 = {part}")
            ).fetchall()
            plain = {str(code): (n, persons) for code, n, persons in rows}
            coded = [row for row in told[name] if row["key"][0]["kind"] == "code"]
            for row in (each for each in coded if each.get("about")):  # an earlier set's number, which differs by fewer than twenty
                assert abs(row["persons"] - plain[str(row["key"][0]["value"])][1]) < 20 + 5
            shown_rows = {str(row["key"][0]["value"]): row["values"] for row in coded if not row.get("about")}
            kept = {code: values for code, values in shown_rows.items() if values[0]["value"] is not None}
            assert len(kept) >= 2
            for code, values in kept.items():
                n, persons = (value["value"] for value in values)
                low, high = values[0].get("within") or (n - 4, n + 4)
                true_n, true_persons = plain[code]
                assert true_persons >= 10, f"{code} at {name} stands for {true_persons} persons"
                assert persons % 5 == 0
                assert abs(persons - true_persons) < 5
                assert n % 5 == 0
                assert low <= true_n <= high, "rows are rounded to the rows of persons who come often, and say so"
            hidden = {code for code in shown_rows if code not in kept}
            surely_large = {code for code in hidden if plain.get(code, (0, 0))[1] >= 10}
            assert len(surely_large) <= 2, "no more is suppressed than the rule and its second suppression ask for"


async def test_nbclient_and_papermill_run_the_kernelspec(generated: dict[str, Path], tmp_path: Path, kernelspec: Path) -> None:
    """Other runners see a kernel like any other, with the strip as a display among outputs."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    book = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell("who = 'nobody'", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('hello', who)"),
        nbformat.v4.new_code_cell("import twinpane as tp; tp.sql('select count(*) n from person')"),
    ])  # fmt: skip
    book.metadata.kernelspec = {"name": "twinpane", "display_name": "Twinpane", "language": "python"}
    async with federation({"a": generated["a"]}) as sites:
        environment = sites.environment(workspace, JUPYTER_PATH=str(kernelspec))
        nbformat.write(book, workspace / "in.ipynb")
        command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", "who", "papermill", "--no-progress-bar"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=workspace, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()[-3000:]
        done = nbformat.read(workspace / "out.ipynb", as_version=4)
        assert any("hello papermill" in output.get("text", "") for cell in done.cells for output in cell.get("outputs", []))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                if value != os.environ.get(name):
                    patch.setenv(name, value)
            client = NotebookClient(book, kernel_name="twinpane", resources={"metadata": {"path": str(workspace)}})
            await client.async_execute()
    outputs = [output for cell in book.cells for output in cell.outputs]
    assert any(output.get("text", "") == "hello nobody\n" for output in outputs)
    assert any("application/vnd.twinpane.cell.v1+json" in output.get("data", {}) for output in outputs)
    assert any("3,000" in str(output.get("data", {}).get("text/plain", "")) for output in outputs), "the release is in the notebook"
