"""``twinpane site …`` as a steward types it."""

import json
import shutil
import sqlite3
import subprocess
import sys

import duckdb
import pytest
from click.testing import CliRunner

from twinpane_broker.release import release as released
from twinpane_cli.command import main
from twinpane_site import keys, ledger_verification
from twinpane_site.config import load_site
from twinpane_site.db import Database
from twinpane_site.instance_lock import only_one
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.meter import Meter


def run(*arguments):
    return CliRunner().invoke(main, ["site", *(str(argument) for argument in arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    duckdb.execute(
        "COPY (SELECT i AS person_id, CASE WHEN i % 3 = 0 THEN 'F' ELSE 'M' END AS sex,"
        " CASE WHEN i < 12 THEN 'low' ELSE 'high' END AS grade,"
        f" 'secret-' || i AS name FROM range(300) t(i)) TO '{folder}/person.parquet' (FORMAT parquet)"
    )
    return folder


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "north"
    done = run("init", folder, "--id", "north", "--data", data, "--project", "heart", "--member", "ana", "--reviewer", "rex")
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.fixture
def folder(made):
    return made[0]


SEX = "select sex, count(*) n from person group by sex"


def test_init_says_what_each_column_became_and_what_to_do_next(made):
    _, output = made
    assert "dimension  sex" in output
    assert "hidden     name" in output
    for word in ("catalogue.toml", "policy.toml", "site.toml", "twinpane site query", "twinpane site serve"):
        assert word in output
    assert "secret" not in output


def test_the_draft_is_usable_at_once(folder):
    loaded = load_site(folder)
    assert loaded.config.admits("ana", "heart")
    assert loaded.policy.review.reviewers == ("rex",)
    assert ledger_verification.verify(folder).ok
    keys.load(folder / "keys")


def test_init_keeps_what_is_private_from_others(folder):
    assert folder.stat().st_mode & 0o077 == 0


def test_init_never_overwrites(folder, data):
    before = {path: path.read_bytes() for path in folder.glob("*.toml")}
    done = run("init", folder, "--id", "other", "--data", data)
    assert done.exit_code == 1
    assert "holds a site already" in done.output
    assert {path: path.read_bytes() for path in folder.glob("*.toml")} == before


@pytest.mark.parametrize(
    ("columns", "said"), [("SELECT 1 patient", "person_id"), ("SELECT i person_id FROM range(3) t(i)", "fewer than 10 persons")]
)
def test_init_refuses_data_without_persons_and_leaves_nothing(tmp_path, columns, said):
    (tmp_path / "data").mkdir()
    duckdb.execute(f"COPY ({columns}) TO '{tmp_path}/data/person.parquet' (FORMAT parquet)")
    done = run("init", tmp_path / "site", "--id", "x", "--data", tmp_path / "data")
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--id", "X!"),
        ("--id", "x", "--hub", "nonsense"),
        ("--id", "x", "--reviewer", "*"),
        ("--id", "x", "--project", "p", "--member", "*"),
    ],
)
def test_init_refuses_names_that_are_none_and_leaves_nothing(tmp_path, data, arguments):
    done = run("init", tmp_path / "site", "--data", data, *arguments)
    assert done.exit_code in (1, 2)
    assert not (tmp_path / "site").exists()


def test_init_without_data_says_so(tmp_path):
    done = run("init", tmp_path / "site", "--id", "x", "--data", tmp_path / "nothing")
    assert done.exit_code == 1
    assert "there is nothing here" in done.output


def test_query_prints_released_numbers(folder):
    done = run("query", folder, SEX)
    assert done.exit_code == 0
    assert [line.split() for line in done.output.splitlines()[2:4]] == [["F", "100"], ["M", "200"]]
    assert "rounded to a multiple of 5" in done.output


def test_query_prints_a_release_that_verifies(folder):
    done = run("query", folder, SEX, "--json", "--project", "heart")
    answer = released.Release.model_validate_json(done.output)
    assert done.exit_code == 0
    assert released.verify_release(answer, keys.load_public(folder / "keys"))


def test_what_a_query_released_is_in_the_ledger(folder):
    before = ledger_verification.verify(folder).entries
    run("query", folder, SEX)
    db = Database.open(folder)
    last = list(Ledger(db, keys.load(folder / "keys")).entries(after=before))
    db.close()
    assert [(entry.kind, entry.body["user"], entry.body["status"]) for entry in last] == [(LedgerEvent.release, "(site)", "released")]


@pytest.mark.parametrize(
    "sql",
    [
        "select person_id from person",
        "select sex, count(*) from persons group by sex",
        "select name, count(*) n from person group by name",
        "drop table person",
    ],
)
def test_query_says_why_it_is_refused_and_exits_with_3(folder, sql):
    done = run("query", folder, sql)
    assert done.exit_code == 3
    assert done.output.startswith(("grammar: ", "catalogue: "))
    as_json = run("query", folder, sql, "--json")
    assert as_json.exit_code == 3
    assert json.loads(as_json.output)["status"] == "refused"


def test_query_withholds_small_groups_and_exits_with_3(folder):
    """The query command withholds small groups with one fixed text and exits with 3."""
    done = run("query", folder, "select count(*) n from person where grade = 'low' and sex = 'F'")
    assert done.exit_code == 3
    assert done.output.startswith("withheld: Withheld by the site's disclosure rules")
    reason, _, cost = done.output.partition("When it was given first, ")
    assert "4" not in reason
    assert cost == "this used 1 of 24 sets of persons of person.grade, and 23 are left.\n"


def test_query_as_json_tells_code_and_reason_of_what_is_withheld(folder):
    done = run("query", folder, "select count(*) n from person where grade = 'low' and sex = 'F'", "--json")
    assert done.exit_code == 3
    told = json.loads(done.output)
    assert {key: told[key] for key in ("status", "site", "code")} == {"status": "refused", "site": "north", "code": "withheld"}
    assert told["reason"].startswith("Withheld by the site's disclosure rules")


@pytest.mark.slow
def test_query_ends_with_3_when_the_days_withholding_is_used_up(data, tmp_path):
    """The query command ends with 3, too, when the day's withheld answers are used up.

    The site's own terminal is counted like a project; what was answered before is still answered.
    """
    folder = tmp_path / "north"
    assert run("init", folder, "--id", "north", "--data", data).exit_code == 0
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text().replace("withheld_per_day = 20", "withheld_per_day = 1", 1))
    assert run("query", folder, SEX).exit_code == 0
    assert run("query", folder, "select count(*) n from person where grade = 'low' and sex = 'F'").exit_code == 3
    done = run("query", folder, "select grade, count(*) n from person group by grade", "--json")
    assert (done.exit_code, json.loads(done.output)["code"]) == (3, "capped")
    assert run("query", folder, SEX).exit_code == 0


def test_query_as_a_project_that_is_not_accepted_is_an_error(folder):
    done = run("query", folder, SEX, "--project", "lung")
    assert done.exit_code == 1
    assert "accepted: heart" in done.output


def test_suppressed_cells_are_marked():
    from twinpane_broker.aggregates.value import Value
    from twinpane_broker.question.category import Category
    from twinpane_broker.release.release import Release, ReleasedColumn, Row
    from twinpane_site.terminal_text import release_text

    release = Release(
        id="0" * 32, site="north", plan_hash="0" * 64, snapshot="s", policy="10-5", rules=("A rule.",), persons=None,
        columns=(
            ReleasedColumn(name="sex", kind="dimension"),
            ReleasedColumn(name="n", kind="count"),
            ReleasedColumn(name="m", kind="mean", unit="kg"),
            ReleasedColumn(name="s", kind="share"),
        ),
        rows=(
            Row(
                key=(Category(value="F", label="female"),), persons=1200,
                values=(Value(value=1200), Value(value=61.5, n=1000), Value(value=40.0, n=1200, of=3000)),
            ),
            Row(key=(Category(kind="missing"),), values=(Value(), Value(), Value())),
            Row(key=(Category(kind="total"),), persons=3000, values=(Value(value=3000), Value(), Value(value=100.0))),
        ),
    )  # fmt: skip
    text = release_text(release)
    assert text.splitlines()[0].split() == ["sex", "n", "m", "[kg]", "s"]
    assert text.splitlines()[2].split() == ["female", "1,200", "61.5", "(n", "1,000)", "40.0", "%", "(1,200", "of", "3,000)"]
    assert text.splitlines()[3].split() == ["(missing)", "suppressed", "suppressed", "suppressed"]
    assert text.splitlines()[4].split() == ["all", "3,000", "suppressed", "100.0", "%"]
    assert "suppressed persons at north" in text
    assert "<" not in text, "a companion may have many persons"
    assert "  A rule." in text
    assert "≈" not in text


def test_numbers_that_are_about_are_marked_with_a_note():
    """Of a share its persons too; a share of a whole that is about bears the mark alone."""
    from twinpane_broker.aggregates.value import Value
    from twinpane_broker.release.release import Release, ReleasedColumn, Row
    from twinpane_site.terminal_text import release_text

    released = Release(
        id="0" * 32, site="north", plan_hash="0" * 64, snapshot="s", policy="10-5", persons=3000, about=True,
        rules=({"code": "threshold", "numbers": {"persons": 11}}, {"code": "differencing", "numbers": {"persons": 11}}),
        columns=(
            ReleasedColumn(name="sex", kind="dimension"),
            ReleasedColumn(name="n", kind="persons"),
            ReleasedColumn(name="s", kind="share"),
        ),
        rows=(
            Row(key=({"value": "F"},), persons=110, about=True,
                values=(Value(value=110, about=True), Value(value=3.7, n=110, of=3000, about=True))),
            Row(key=({"value": "M"},), persons=1200, values=(Value(value=1200), Value(value=40.0, n=1200, of=3000, about=True))),
        ),
    )  # fmt: skip
    lines = release_text(released).splitlines()
    assert lines[2].endswith("≈ 110 (67–153)  ≈ 3.7 % (2–6 %) (≈ 110 of 3,000)")
    assert lines[3].split() == ["M", "1,200", "≈", "40.0", "%", "(1,200", "of", "3,000)"]
    said = " ".join(" ".join(lines).split())
    assert all(len(line) <= 100 for line in lines)
    assert "≈ about: do not subtract it from other numbers. It is the number of a near group, or of the same one; before" in said
    assert "fewer than 22 persons (44 or more where it was added up, or others stand between)" in said
    assert "≈ 3,000 persons at north" in said
    assert "or it is the number of a near group, or of the same one, marked ≈ (about)" in said


def test_ledger_verify_exits_with_0_and_prints_the_head(folder):
    done = run("ledger", "verify", folder)
    assert done.exit_code == 0
    assert "holds" in done.output


def test_ledger_verify_names_a_corrupted_line_and_exits_with_1(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    connection = sqlite3.connect(copy / "site.db")
    connection.execute("DROP TRIGGER ledger_is_never_changed")
    connection.execute("UPDATE ledger SET body = replace(body, 'north', 'south') WHERE seq = 1")
    connection.commit()
    connection.close()
    done = run("ledger", "verify", copy)
    assert done.exit_code == 1
    assert "line 1 was changed" in done.output
    assert run("ledger", "verify", folder, "--key", "0" * 64).exit_code == 1
    assert run("ledger", "verify", tmp_path / "nowhere").exit_code == 1


def test_ledger_verify_takes_the_key_as_digits_or_as_a_file(folder):
    """A path was taken for a key that signed nothing: the whole ledger seemed forged."""
    own = folder / "keys" / "site.pub"
    for key in (own, own.read_text(), own.read_text().upper()):
        assert run("ledger", "verify", folder, "--key", key).exit_code == 0
    for key, said in (
        (folder / "site.toml", "is not an Ed25519 public key"),
        ("0" * 63, "is neither a public key (64 hexadecimal digits) nor"),
    ):
        done = run("ledger", "verify", folder, "--key", key)
        assert done.exit_code == 1
        assert said in done.output
        assert "does not hold" not in done.output


@pytest.mark.slow
def test_a_bad_policy_is_one_line_and_no_more(folder, tmp_path):
    """DuckDB's bindings spoke of leaks below it: the error kept them to the end of the process."""
    shutil.copytree(folder, tmp_path / "bad")
    policy = tmp_path / "bad" / "policy.toml"
    policy.write_text(policy.read_text().replace("threshold = 10 ", "threshold = 3 "))
    command = [sys.executable, "-P", "-m", "twinpane_cli", "site", "query", tmp_path / "bad", SEX]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.startswith("Error: ") for line in done.stderr.splitlines()] == [True]


def test_grant_adds_bits_and_leaves_a_line_in_the_ledger(folder):
    done = run("grant", folder, "--user", "ana", "--project", "heart", "--bits", "100", "--by", "sue")
    assert done.exit_code == 0
    assert "1,124.0 bits left today" in done.output
    db = Database.open(folder)
    last = list(Ledger(db, keys.load(folder / "keys")).entries(LedgerEvent.grant))[-1]
    grants = Meter(db, load_site(folder).policy.meter.budget, lambda: None).grants()
    db.close()
    assert last.body == {"user": "ana", "project": "heart", "bits": 100.0, "by": "sue"}
    assert [grant.bits for grant in grants] == [100.0]


@pytest.mark.parametrize(
    ("user", "project", "bits", "status"),
    [("eve", "heart", "5", 1), ("ana", "lung", "5", 1), ("ana", "heart", "0", 2), ("ana", "heart", "nan", 1)],
)
def test_a_grant_to_nobody_or_of_nothing_is_refused(folder, user, project, bits, status):
    before = ledger_verification.verify(folder).entries
    assert run("grant", folder, "--user", user, "--project", project, "--bits", bits).exit_code == status
    assert ledger_verification.verify(folder).entries == before


def test_status_tells_the_steward_how_things_stand(folder):
    done = run("status", folder)
    assert done.exit_code == 0
    words = (
        "north",
        "threshold 10",
        "heart, accepted: ana",
        "holds",
        "too few, so no export can be released",
        "sets of persons tell of one",
    )
    for word in words:
        assert word in done.output


def test_a_policy_without_a_threshold_stops_every_command(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    text = (copy / "policy.toml").read_text()
    (copy / "policy.toml").write_text("\n".join(line for line in text.splitlines() if not line.startswith("threshold")))
    for command in (["query", copy, SEX], ["status", copy], ["grant", copy, "--user", "ana", "--project", "heart", "--bits", "1"]):
        done = run(*command)
        assert done.exit_code == 1
        assert "threshold is missing" in done.output


def test_a_site_is_served_by_one_process_at_a_time(folder):
    with only_one(folder):
        done = run("serve", folder, "--hub", "ws://127.0.0.1:1")
        assert done.exit_code == 1
        assert "served already" in done.output
    with only_one(folder):
        pass


def test_serve_calls_the_agent_with_the_hub_s_address_and_token(folder, monkeypatch):
    from twinpane_cli import site_agent

    called = []

    async def noted(*arguments):
        called.append(arguments)

    monkeypatch.setattr(site_agent, "serve", noted)
    assert run("serve", folder, "--hub", "https://hub.example/services/switchboard", "--token", "t").exit_code == 0
    monkeypatch.setenv("TWINPANE_SITE_TOKEN", "from-the-environment")
    assert run("serve", folder).exit_code == 0
    assert [each[:3] for each in called] == [
        (folder, "wss://hub.example/services/switchboard", "t"),
        (folder, "ws://127.0.0.1:8000/services/switchboard", "from-the-environment"),
    ]


def test_without_a_sandbox_the_remedy_is_told_and_nothing_starts(folder, monkeypatch):
    """A machine without a sandbox is told the remedy, and nothing starts."""
    from twinpane_cli import site_agent
    from twinpane_sandbox.errors import SandboxUnavailable

    async def unavailable(*arguments):
        raise SandboxUnavailable("bubblewrap is missing", "apt install bubblewrap")

    monkeypatch.setattr(site_agent, "serve", unavailable)
    done = run("serve", folder)
    assert done.exit_code == 1
    assert "Remedy: apt install bubblewrap" in done.output
