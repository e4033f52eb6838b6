"""Processes that plant the same seed draw the same numbers; each test runs in processes of its own, because seeds change the process."""

import subprocess
import sys
import uuid

import pytest

HEAD = "from twinpane_sandbox import seeds\nsource = seeds.plant({seed})\nimport random, uuid, sys\n"


def said(code: str, seed: int = 7) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-s", "-c", HEAD.format(seed=seed) + code], capture_output=True, text=True, check=True
    ).stdout


DRAWS = {
    "random": "print(random.random(), random.sample(range(100), 5))",
    "a new Random": "print(random.Random().random(), random.Random(None).random())",
    "random.seed()": "random.seed(); print(random.random())",
    "a temporary name": "import tempfile; print(next(tempfile._get_candidate_names()))",
    "uuid4": "print(uuid.uuid4())",
    "uuid1": "print(uuid.uuid1())",
    "numpy": "import numpy as np; print(np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand())",
    "numpy's sequence": "import numpy as np; print(np.random.SeedSequence().entropy, np.random.SeedSequence(pool_size=8).entropy)",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", DRAWS)
def test_the_same_seed_draws_the_same_and_another_does_not(what: str) -> None:
    """The same seed draws the same, and another draws otherwise."""
    first, second, other = said(DRAWS[what]), said(DRAWS[what]), said(DRAWS[what], seed=8)
    assert first == second
    assert first != other


def test_two_draws_are_not_the_same_number() -> None:
    code = (
        "import numpy as np\n"
        "draws = uuid.uuid4, uuid.uuid1, random.random, lambda: random.Random().random(), lambda: np.random.default_rng().random()\n"
        "for draw in draws: print(draw() != draw())"
    )
    assert said(code).split() == ["True"] * 5


def test_numpy_imported_before_the_seed_draws_the_same() -> None:
    """NumPy imported before the seed draws as if imported after."""
    draw = "print(numpy.random.rand(), numpy.random.default_rng().random())"
    before = f"import numpy.random\nfrom twinpane_sandbox import seeds\nseeds.plant(7)\n{draw}"
    after = f"import numpy.random\n{draw}"
    assert subprocess.run([sys.executable, "-c", before], capture_output=True, text=True, check=True).stdout == said(after)


def test_a_given_seed_keeps_its_meaning() -> None:
    code = (
        "random.seed(1); a = random.random()\nimport numpy as np; np.random.seed(1)\n"
        "print(a, random.Random(2).random(), np.random.rand(), np.random.default_rng(3).random())"
    )
    plain = subprocess.run([sys.executable, "-c", "import random\n" + code], capture_output=True, text=True, check=True).stdout
    assert said(code) == plain


def test_seeded_uuids_keep_their_version_and_meaning() -> None:
    """UUIDs have the right version, and calls with node or clock keep their meaning."""
    code = "print(uuid.uuid4().version, uuid.uuid1().version, uuid.uuid1(node=5).node, uuid.uuid5(uuid.NAMESPACE_DNS, 'x'))"
    assert said(code).split() == ["4", "1", "5", str(uuid.uuid5(uuid.NAMESPACE_DNS, "x"))]
    assert said("print(uuid.uuid4().variant == uuid.RFC_4122)").strip() == "True"


def test_unpredictable_numbers_stay_unpredictable() -> None:
    code = "import os, secrets; print(os.urandom(8), secrets.token_hex(), random.SystemRandom().random())"
    assert said(code) != said(code)


def test_a_state_that_is_resumed_forgets_what_was_drawn_since() -> None:
    code = (
        "import numpy as np\nnp.random.rand()\n"
        "def draw():\n"
        "    of_numpy = np.random.rand(), np.random.default_rng().random(), np.random.randn()\n"
        "    return random.random(), uuid.uuid4(), random.Random().random(), of_numpy\n"
        "draw(); state = source.state(); first = draw(); source.resume(state); print(draw() == first)"
    )
    assert said(code).strip() == "True"


def test_numpy_imported_before_resume_draws_as_if_later() -> None:
    """If NumPy is imported between state and resume, it draws as if it were imported later."""
    between = (
        "state = source.state()\nimport numpy.random\nnumpy.random.rand(); numpy.random.default_rng().random()\nsource.resume(state)\n"
    )
    draw = "import numpy.random\nprint(numpy.random.rand(), numpy.random.default_rng().random())"
    assert said(between + draw) == said(draw)


def test_forked_processes_draw_apart_and_the_same_in_both_runs() -> None:
    code = (
        "import os\n"
        "for _ in range(3):\n"
        "    r, w = os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        os.write(w, f'{random.random()} {uuid.uuid4()}'.encode()); os._exit(0)\n"
        "    print(os.read(r, 200).decode()); os.wait()\n"
    )
    first = said(code)
    assert first == said(code)
    assert len(set(first.splitlines())) == 3


@pytest.mark.slow
def test_the_import_of_numpy_is_left_as_it_was() -> None:
    code = "import numpy.random; print(type(numpy.random.__spec__.loader).__name__, [type(f).__name__ for f in sys.meta_path])"
    found = said(code)
    assert found.startswith("SourceFileLoader")
    assert "AfterImport" not in found
