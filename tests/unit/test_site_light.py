"""The agent's process stays light: what it imports is what it needs."""

import json
import os
import subprocess
import sys
from inspect import getsource

import pytest

from twinpane_site.answering import broker_process

HEAVY = {"duckdb", "numpy", "pandas", "pyarrow", "scipy", "pyroaring", "sqlglot", "matplotlib", "PIL", "opendp", "IPython", "fastapi"}


@pytest.mark.slow
def test_the_agent_imports_no_engine_no_data_frames_and_no_pages() -> None:
    """DuckDB, NumPy and their kind came with it before: 155 MiB where 78 were promised.

    Nor does a variable of the environment bring them along: by one that a library of loading obeys, every engine came into the process
    that holds the site's key.
    """
    names = loaded("import twinpane_site.cli, twinpane_cli.site_agent")
    assert "twinpane_site.agent" in names
    assert {name.split(".")[0] for name in names} & HEAVY == set()


def loaded(source: str) -> set[str]:
    """The modules in a new interpreter after some lines of Python."""
    told = f"{source}\nimport json, sys; print(json.dumps(list(sys.modules)))"
    command, environment = [sys.executable, "-P", "-c", told], {**os.environ, "EAGER_IMPORT": "1"}
    return set(json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout))


@pytest.mark.slow
def test_a_question_at_the_terminal_loads_no_solver_unasked() -> None:
    """SciPy took a fifth of the time that `twinpane site query` needs to start, and most answers need none of it."""
    assert not {name.partition(".")[0] for name in loaded("import twinpane_site.terminal_query")} & {"scipy", "tomlkit"}


@pytest.mark.slow
def test_no_answer_is_late_as_the_first_that_needs_a_solver() -> None:
    """Whether suppressed cells need a linear program depends on rows: the process that answers people loads SciPy before any question."""
    problem = "_Problem({(0,): 5}, {(0,): (0, None)}, (), frozenset())"
    audited = f"from twinpane_broker.disclosure.feasibility import _Problem; {problem}.solve((0,), 1)"
    opened = "from twinpane_broker import Broker; Broker.warm()"
    assert loaded(f"{opened}; import twinpane_broker.disclosure.feasibility") == loaded(f"{opened}; {audited}")
    assert getsource(broker_process.main).index("Broker.warm()") < getsource(broker_process.main).index("threads.submit(answer")
