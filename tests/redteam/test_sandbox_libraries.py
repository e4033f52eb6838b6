"""What researchers use runs in a kernel that sees so little of the machine."""

from collections.abc import Iterator

import pytest

from redteam.sandbox_client import Client, running
from twinpane_sandbox.limits import GIB, Limits

pytestmark = pytest.mark.slow

MEMORY = 2 * GIB


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(tmp_path_factory.mktemp("l"), limits=Limits(memory=MEMORY)) as client:
        yield client


CELLS = {
    "pandas and pyarrow": (
        "import numpy as np, pandas as pd\npd.DataFrame({'a': np.arange(10)}).to_parquet('/project/a.parquet')\n"
        "print(pd.read_parquet('/project/a.parquet').a.sum())",
        "45",
    ),
    "DuckDB in a file": (
        "import duckdb\nc = duckdb.connect('/project/a.duckdb')\nc.execute('create table t as select * from range(10) r(x)')\nc.close()\n"
        "print(duckdb.connect('/project/a.duckdb').sql('select sum(x) from t').fetchall()[0][0])",
        "45",
    ),
    "DuckDB over a file": ("import duckdb; print(duckdb.sql(\"select count(*) from '/project/a.parquet'\").fetchall()[0][0])", "10"),
    "DuckDB knows the session's memory": (
        "ask = \"select current_setting('memory_limit')\"\n"
        "print(duckdb.sql(ask).fetchall()[0][0], duckdb.connect().sql(ask).fetchall()[0][0],"
        " duckdb.connect(config={'memory_limit': '1GiB'}).sql(ask).fetchall()[0][0])",
        "1.5 GiB 1.5 GiB 1.0 GiB",
    ),
    "SQLite in a file": (
        "import sqlite3\nfor mode in ('delete', 'wal'):\n    c = sqlite3.connect(f'/project/{mode}.db')\n"
        "    c.execute(f'pragma journal_mode={mode}')\n    c.execute('create table t (x)'); c.execute('insert into t values (1)')\n"
        "    c.commit(); c.close()\n"
        "    print(sqlite3.connect(f'/project/{mode}.db').execute('select x from t').fetchall())",
        "[(1,)]\n[(1,)]",
    ),
    "scikit-learn": (
        "from sklearn.ensemble import RandomForestClassifier\nX = np.arange(40).reshape(20, 2)\n"
        "print(RandomForestClassifier(n_estimators=5, n_jobs=2, random_state=0).fit(X, X[:, 0] > 20).score(X, X[:, 0] > 20))",
        "1.0",
    ),
    "matplotlib": (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('/project/a.png')\nplt.close()\nprint('drawn')", "drawn"
    ),
    "joblib in processes": ("import joblib\nprint(joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-i) for i in range(3)))", "[0, 1, 2]"),
    "joblib's memory": ("print(joblib.Memory('/tmp/cache', verbose=0).cache(abs)(-3))", "3"),
    "multiprocessing": (
        "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as pool: print(pool.map(abs, [1, -2]))\n"
        "with mp.Manager() as manager: print(list(manager.list([1])))",
        "[1, 2]\n[1]",
    ),
    "what a forked process prints": (
        "import os, time\nif os.fork() == 0:\n    print('child', flush=True)\n    time.sleep(0.2)\n    os._exit(0)\n"
        "os.wait(); time.sleep(0.3)",
        "child",
    ),
    "subprocess": (
        "import subprocess\nprint(subprocess.run(['/bin/echo', 'x'], stdin=subprocess.DEVNULL, capture_output=True).stdout)", "b'x\\n'"
    ),
    "a shell command of the notebook": ("!echo hello", "hello"),
    "an event loop": ("import asyncio\nprint(await asyncio.to_thread(abs, -5))", "5"),
    "temporary files": ("import tempfile\nwith tempfile.TemporaryFile() as file: print(file.write(b'xy'))", "2"),
    "psutil": (
        "import psutil\nprint(psutil.virtual_memory().total, psutil.swap_memory().total, psutil.cpu_percent(), psutil.boot_time(),"
        " psutil.cpu_count() > 0, psutil.Process().memory_info().rss > 0)",
        f"{MEMORY} 0 0.0 1700000000.0 True True",
    ),
    "the machine's name and processors": ("import platform\nprint(platform.node(), os.cpu_count() == psutil.cpu_count())", "twinpane True"),
    "file locks, which hold nothing": (
        "import fcntl\nwith open('/tmp/lock', 'w') as one: fcntl.flock(one, fcntl.LOCK_EX); fcntl.lockf(one, fcntl.LOCK_EX); print('held')",
        "held",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_a_library_runs(client: Client, name: str) -> None:
    code, expected = CELLS[name]
    done = client.run(code)
    assert done["error"] is None, [message.content for message in done["messages"] if message.msg_type == "error"]
    assert done["text"].strip().replace("\r", "") == expected
