"""The agent's process stays light: what it imports is what it needs."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = {"duckdb", "numpy", "pandas", "pyarrow", "scipy", "pyroaring", "sqlglot", "matplotlib", "PIL", "opendp", "IPython", "fastapi"}


@pytest.mark.slow
def test_the_agent_imports_no_engine_no_data_frames_and_no_pages() -> None:
    """DuckDB, NumPy and their kind came with it before: 155 MiB where 78 were promised.

    Nor does a variable of the environment bring them along: by one that a library of loading obeys, every engine came into the process
    that holds the site's key.
    """
    told = "import json, sys, twinpane_site.cli, twinpane_cli.site_agent; print(json.dumps(list(sys.modules)))"
    command, environment = [sys.executable, "-I", "-c", told], {**os.environ, "EAGER_IMPORT": "1"}
    names = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    assert "twinpane_site.agent" in names
    assert {name.split(".")[0] for name in names} & HEAVY == set()
