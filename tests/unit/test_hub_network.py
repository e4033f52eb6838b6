"""The hub's store of its network: one current state, changed whole or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import select, text

from harness import postgres
from twinpane_hub import hub_database
from twinpane_hub.hub import hub
from twinpane_hub.network import from_sites, life
from twinpane_hub.network.database import StoreError, opened
from twinpane_hub.network.overview import project_rows, site_rows
from twinpane_hub.network.proposals import proposal
from twinpane_hub.network.schema import CHANGES, METADATA
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.network.wording import differences
from twinpane_hub.projects import Directory, Project, ProjectsError, Site
from twinpane_hub.settings import load
from twinpane_hub.subjects import Subjects
from twinpane_wire.messages import Decline, ProjectState, Standing, TableScope

FIRST = Project(title="First look", sites=("a", "b"), members=("ana", "ben"), expires=date(2100, 1, 1))
NETWORK = Directory(projects={"first": FIRST}, sites={"a": Site(title="Hospital A"), "b": Site()})
TOML = """
[projects.first]
title = "First look"
sites = ["a", "b"]
members = ["ana", "ben"]
expires = 2100-01-01
[sites.a]
title = "Hospital A"
[sites.b]
"""
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def store_at(folder: Path) -> NetworkStore:
    return NetworkStore(f"sqlite:///{folder}/network.sqlite", clock=iter(range(10_000)).__next__)


@pytest.fixture
def store(tmp_path: Path) -> NetworkStore:
    """A store whose clock goes on by a second at each look, so that nothing read is fresh."""
    return store_at(tmp_path)


@pytest.fixture
def hub_file(tmp_path: Path) -> Path:
    (tmp_path / "network.toml").write_text(TOML)
    (tmp_path / "hub.toml").write_text('[sign_in]\nkind = "local"\n')
    return tmp_path / "hub.toml"


def run(*words: object, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(hub, [str(word) for word in words], input=answer)
    return done.exit_code, done.output


# ---------------------------------------------------------------- changes


def test_what_is_declared_is_the_network(store: NetworkStore) -> None:
    """And a second time changes nothing."""
    assert store.change("ada", life.declared(NETWORK))
    assert store() == NETWORK
    assert store.change("ada", life.declared(NETWORK)) == ()
    assert store() == NETWORK


def test_another_process_sees_a_change_without_a_restart(store: NetworkStore, tmp_path: Path) -> None:
    other = store_at(tmp_path)
    assert other() == Directory()
    store.change("ada", life.declared(NETWORK))
    assert other() == NETWORK
    store.change("ada", life.change_people("first", remove_member=("ben",)))
    assert other().projects["first"].members == ("ana",)


def test_what_is_left_out_ends_or_is_removed_and_stays_so(store: NetworkStore) -> None:
    """A project that the document does not name any more ends. It cannot be declared open again: what it had inside is gone."""
    store.change("ada", life.declared(NETWORK))
    assert store.change("ada", life.declared(Directory())) == (
        "remove site a (Hospital A)", "remove site b", "end project first",
    )  # fmt: skip
    assert store().projects["first"].state == "ended"
    assert store.change("ada", life.declared(Directory())) == ()
    with pytest.raises(ProjectsError, match="propose a new one under another id"):
        store.change("ada", life.declared(NETWORK))


def test_a_token_made_elsewhere_outlives_a_document_without_one(store: NetworkStore) -> None:
    """Tokens are made on the pages and at the terminal; applying the same document again does not take them back."""
    store.change("ada", life.declared(NETWORK))
    store.change("ada", life.invite("a", "t" * 40, NOW))
    assert store.change("ada", life.declared(NETWORK)) == ()
    assert store().sites["a"].refuses_token("t" * 40, NOW) == ""


def test_each_change_is_recorded_in_words_with_who_made_it(store: NetworkStore) -> None:
    """No token and no key is among them."""
    store.change("ada", life.declared(NETWORK))
    store.change("bob", life.invite("a", "t" * 40, NOW))
    with store.engine.begin() as connection:
        kept = [(who, what) for who, what in connection.execute(select(CHANGES.c.who, CHANGES.c.what).order_by(CHANGES.c.number))]
    assert ("ada", "propose project first (First look) to a, b, with ana, ben") in kept
    assert kept[-1] == ("bob", "site a: a one-time token to join with")
    assert store().sites["a"].token_sha256 not in str(kept)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (life.propose("first", FIRST), "there is a project first already"),
        (life.propose("second", FIRST.model_copy(update={"sites": ("z",)})), "site z, which has no section"),
        (life.add_site("a", Site()), "there is a site a already: choose another id"),
        (life.remove_site("a"), "project first names site a"),
        (life.amend("none", title="x"), "there is no project none"),
        (life.change_people("first", remove_member=("eve",)), "eve is no member of project first"),
        (life.change_people("first", add_member=tuple(f"p{n}" for n in range(400))), "at most 300"),
        (life.amend("first", title=""), "at least 1 character"),
        (life.put_into("none", "ended"), "there is no project none"),
    ],
)
def test_what_may_not_be_is_one_sentence_and_changes_nothing(store: NetworkStore, change: life.Change, words: str) -> None:
    store.change("ada", life.declared(NETWORK))
    with pytest.raises(ProjectsError, match=words) as refused:
        store.change("ada", change)
    assert len(str(refused.value).splitlines()) == 1
    assert store() == NETWORK


def test_a_project_ends_once(store: NetworkStore) -> None:
    """It can be suspended and resumed; ended, it stays so, and nobody is added to it."""
    store.change("ada", life.declared(NETWORK))
    for state in ("suspended", "open", "suspended", "ended"):
        store.change("ada", life.put_into("first", state))  # type: ignore[arg-type]
    for change in (life.put_into("first", "open"), life.change_people("first", add_member=("eve",))):
        with pytest.raises(ProjectsError, match="has ended"):
            store.change("ada", change)


def test_every_field_that_differs_is_said() -> None:
    """A field of a project or site that no sentence tells would change unseen, or never."""
    other = {
        "title": "Other", "purpose": "p", "legal_basis": "l", "sites": ("a",), "members": ("ana",), "reviewers": ("ria",),
        "tables": {"lab": ()}, "day_bits": 1.0, "total_bits": 2.0, "expires": date(2099, 1, 1), "state": "suspended",
    }  # fmt: skip
    assert other.keys() == Project.model_fields.keys()
    for name, value in other.items():
        changed = NETWORK.model_copy(update={"projects": {"first": FIRST.model_copy(update={name: value})}})
        assert differences(NETWORK, changed), name
    of_site = {"title": "Other", "review_url": "https://a.test", "token_sha256": "0" * 64, "token_ends": NOW, "public_key": "1" * 64}
    assert of_site.keys() == Site.model_fields.keys()
    for name, value in of_site.items():
        changed = NETWORK.model_copy(update={"sites": {**NETWORK.sites, "a": NETWORK.sites["a"].model_copy(update={name: value})}})
        assert differences(NETWORK, changed), name


# ---------------------------------------------------------------- whole or not at all

KILLED = """
import os, sys
from sqlalchemy import event
from twinpane_hub.network.life import declared
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.projects import Directory
store = NetworkStore(sys.argv[1])
left = [int(sys.argv[2])]
@event.listens_for(store.engine, "after_cursor_execute")
def count(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), 9)
store.change("ada", declared(Directory.model_validate_json(sys.argv[3])))
"""


@pytest.mark.slow
def test_killed_half_way_nothing_is_half_done(tmp_path: Path) -> None:
    """Killed after each statement in turn, the store holds the network of before; the next apply does all of it."""
    store = store_at(tmp_path)
    store.change("ada", life.declared(NETWORK))
    after = NETWORK.model_copy(
        update={"projects": dict.fromkeys(("first", "second", "third"), FIRST), "sites": {**NETWORK.sites, "c": Site()}}
    )
    for statement in range(1, 30):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, store.engine.url.render_as_string(), str(statement), after.model_dump_json()],
            timeout=60, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert store() == NETWORK, f"killed after statement {statement}"
    assert statement > 5
    assert store() == after


# ---------------------------------------------------------------- the database


def test_the_migrations_make_the_tables_that_the_code_uses(store: NetworkStore) -> None:
    """A change of the tables without a migration is found here."""
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_store_of_a_newer_version_is_not_touched(store: NetworkStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '999'"))
    with pytest.raises(StoreError, match="newer Twinpane"):
        opened(store.engine.url.render_as_string())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////nowhere/at/all.sqlite", "cannot be used: No such file or directory"), ("postgresql+none://x", "no address"),
        ("postgresql+psycopg://u:hidden-word@127.0.0.1:1/x", "cannot be used"),
    ],
)  # fmt: skip
def test_a_database_that_is_not_there_is_one_sentence(url: str, words: str) -> None:
    """It repeats no password."""
    with pytest.raises(StoreError, match=words) as refused:
        opened(url)
    assert len(str(refused.value).splitlines()) == 1
    assert "hidden-word" not in str(refused.value)


def test_a_store_that_cannot_be_read_keeps_the_last_good_network(store: NetworkStore) -> None:
    store.change("ada", life.declared(NETWORK))
    assert store() == NETWORK
    with store.engine.begin() as connection:
        connection.execute(text("alter table declared rename to gone"))
        connection.execute(text("update revision set number = number + 1"))
    assert store() == NETWORK
    assert "cannot be read" in (store.problem or "")
    with store.engine.begin() as connection:
        connection.execute(text("alter table gone rename to declared"))
    assert store() == NETWORK
    assert store.problem is None


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip(f"needs PostgreSQL: {postgres.MISSING}")
    with postgres.server() as said:
        folder = said.split()[0].removeprefix("host=")
        yield f"postgresql+psycopg://tests@/postgres?host={folder}"


@pytest.mark.slow
def test_a_store_in_postgresql_does_the_same(postgresql: str) -> None:
    """Tables, changes, what comes from sites, and the second look of another process."""
    store, other = NetworkStore(postgresql), NetworkStore(postgresql, clock=iter(range(1000)).__next__)
    store.change("ada", life.declared(NETWORK))
    assert other() == NETWORK
    from_sites.note(store.engine, NOW, ["a"], {("first", "a", "release"): 2})
    from_sites.keep_answer(store.engine, NOW, "a", accepted())
    heard = from_sites.read(other.engine)
    assert heard.seen == {"a": NOW}
    assert heard.answers["first", "a"].standing == accepted()
    assert heard.crossings == {("first", "a", "release"): 2}
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_what_the_hub_keeps_is_its_own_users_alone(tmp_path: Path) -> None:
    """Files of mode 0644 were left by `twinpane hub apply` and by JupyterHub, one of them with hashes of tokens."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "network.sqlite").touch(0o644)
    (tmp_path / "hub.toml").write_text('[sign_in]\nkind = "local"\n')
    settings = load(tmp_path / "hub.toml")
    NetworkStore(settings.store_url)
    hub_database.prepare(settings)
    Subjects(settings.state_folder)
    found = {file.name: file.stat().st_mode & 0o777 for file in settings.state_folder.glob("*.sqlite*")}
    assert {"network.sqlite", "jupyterhub.sqlite", "subjects.sqlite"} <= set(found)
    assert set(found.values()) == {0o600}


@pytest.mark.parametrize("words", [
    ("project", "propose", "HUB", "late", "--title", "Late", "--site", "a", "--expires", "2020-01-01"),
    ("project", "change", "HUB", "first", "--expires", "2020-01-01"),
    ("apply", "HUB", "FILE", "--yes"),
])  # fmt: skip
def test_the_terminal_refuses_a_last_day_that_is_over(hub_file: Path, words: tuple[str, ...]) -> None:
    file = hub_file.parent / "network.toml"
    assert run("apply", hub_file, file, "--yes")[0] == 0
    file.write_text(TOML.replace("2100-01-01", "2020-01-01"))
    status, said = run(*({"HUB": hub_file, "FILE": file}.get(word, word) for word in words))
    assert (status, "2020-01-01, is over: choose today or a later day" in said, len(said.splitlines())) == (1, True, 1), said


# ---------------------------------------------------------------- what sites answer


def accepted(**more: object) -> Standing:
    found: dict[str, object] = {
        "state": ProjectState.accepted,
        "proposal": proposal("first", FIRST).digest(),
        "researchers": FIRST.members,
        **more,
    }
    return Standing.model_validate({"project": "first", **found})


@pytest.mark.parametrize(
    ("standing", "words", "project"),
    [
        (None, "no answer yet", "proposed"),
        (accepted(), "accepted", "active"),
        (accepted(tables=(TableScope(table="lab", columns=("value",)),)), "accepted in part: not all tables", "active"),
        (accepted(researchers=("ana",)), "accepted in part: without ben", "active"),
        (accepted(until=date(2099, 12, 31)), "accepted in part: until 2099-12-31", "active"),
        (accepted(until=FIRST.expires), "accepted", "active"),
        (accepted(researchers=(), until=NOW.date()), "accepted in part: without ana, ben; until 2030-01-01", "active"),
        (accepted(proposal="0" * 64), "accepted, an earlier version of it", "active"),
        (accepted(proposal=None), "accepted", "active"),
        (Standing(project="first", proposal=None, state=ProjectState.suspended), "suspended", "proposed"),
        (
            Standing(project="first", proposal=None, state=ProjectState.declined, decline=Decline.not_held),
            "declined: it does not have the tables or columns asked for", "proposed",
        ),
    ],
)  # fmt: skip
def test_each_site_answers_for_itself(store: NetworkStore, standing: Standing | None, words: str, project: str) -> None:
    """A project is active once one site accepted it; the others' silence is shown beside."""
    store.change("ada", life.declared(NETWORK))
    if standing is not None:
        from_sites.keep_answer(store.engine, NOW, "a", standing)
    (row,) = project_rows(store(), from_sites.read(store.engine), NOW.date())
    assert [site.words for site in row.sites] == [words, "no answer yet"]
    assert row.words == project


@pytest.mark.parametrize(
    ("asked", "given", "words"),
    [
        ({"lab": ("value",), "visit": ()}, {"visit": None, "lab": None}, "accepted"),
        ({"lab": ("value", "unit")}, {"lab": ("unit", "value", "day")}, "accepted"),
        ({"lab": ("value",)}, None, "accepted"),
        ({"lab": ("value", "unit")}, {"lab": ("value",)}, "accepted in part: fewer columns of lab"),
        ({"lab": ()}, {"lab": ("value",)}, "accepted in part: fewer columns of lab"),
        ({"lab": (), "visit": ()}, {"lab": None}, "accepted in part: 1 of 2 tables"),
        ({}, {"lab": None}, "accepted in part: not all tables"),
        ({}, None, "accepted"),
    ],
)
def test_who_gives_all_that_is_asked_accepts_whole(store: NetworkStore, asked: Any, given: Any, words: str) -> None:
    """A site gives tables whole, in its own order. Before, a project that named columns was never accepted but in part."""
    store.change("ada", life.declared(NETWORK.model_copy(update={"projects": {"first": FIRST.model_copy(update={"tables": asked})}})))
    tables = None if given is None else tuple(TableScope(table=table, columns=columns) for table, columns in given.items())
    from_sites.keep_answer(store.engine, NOW, "a", accepted(tables=tables, proposal=None))
    (row,) = project_rows(store(), from_sites.read(store.engine), NOW.date())
    assert row.sites[0].words == words


def test_an_answer_to_a_version_before_is_told_apart(store: NetworkStore) -> None:
    store.change("ada", life.declared(NETWORK))
    from_sites.keep_answer(store.engine, NOW, "a", accepted())
    store.change("ada", life.change_people("first", add_member=("eve",)))
    (row,) = project_rows(store(), from_sites.read(store.engine), NOW.date())
    assert row.sites[0].words == "accepted in part: without eve, an earlier version of it"


def test_a_site_that_comes_under_an_old_name_has_said_nothing(store: NetworkStore) -> None:
    """What the site before it said and when it was here goes with it."""
    store.change("ada", life.declared(NETWORK))
    from_sites.keep_answer(store.engine, NOW, "a", accepted())
    from_sites.note(store.engine, NOW, ["a"], {})
    store.change("ada", life.declared(Directory()))
    store.change("ada", life.add_site("a", Site(title="Another")))
    heard = from_sites.read(store.engine)
    assert not heard.answers
    assert site_rows(store(), heard, None, ())[0].last_seen is None


def test_crossings_are_counted_and_nothing_else_of_them(store: NetworkStore) -> None:
    store.change("ada", life.declared(NETWORK))
    for _ in range(2):
        from_sites.note(store.engine, NOW, ["a"], {("first", "a", "release"): 2, ("first", "b", "verdict"): 1})
    heard = from_sites.read(store.engine)
    assert heard.crossings == {("first", "a", "release"): 4, ("first", "b", "verdict"): 2}
    (row,) = project_rows(store(), heard, NOW.date())
    assert [(count.crossing, count.number) for count in row.sites[0].counts] == [("release", 4)]


# ---------------------------------------------------------------- at the terminal


def test_apply_shows_its_plan_and_then_does_it(hub_file: Path) -> None:
    """Asked first, it does nothing without a yes; done, a second time finds nothing to do."""
    network = hub_file.parent / "network.toml"
    code, said = run("apply", hub_file, network, answer="n\n")
    assert code == 1
    assert "propose project first (First look) to a, b, with ana, ben" in said
    assert "Nothing to change" not in run("apply", hub_file, network, "--plan")[1]
    assert run("apply", hub_file, network, answer="y\n")[1].endswith("Done.\n")
    assert "Nothing to change" in run("apply", hub_file, network)[1]


def test_what_show_prints_is_what_apply_takes(hub_file: Path) -> None:
    assert run("apply", hub_file, hub_file.parent / "network.toml", "--yes")[0] == 0
    assert run("site", "invite", hub_file, "a")[0] == 0
    shown = hub_file.parent / "shown.toml"
    shown.write_text(run("show", hub_file)[1])
    assert "Nothing to change" in run("apply", hub_file, shown)[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TOML + 'colour = "red"\n', "unknown key `colour` in [sites.b]"), (TOML + "[sites.a]\n", "not TOML"),
        (TOML.replace('"b"]', '"z"]'), "site z, which has no section [sites.z]"),
        (TOML.replace("ana", "an/a"), "`members.0` in [projects.first]"),
    ],
)  # fmt: skip
def test_a_wrong_document_is_one_sentence_and_changes_nothing(hub_file: Path, text: str, words: str) -> None:
    network = hub_file.parent / "network.toml"
    network.write_text(text)
    code, said = run("apply", hub_file, network, "--yes")
    assert code == 1
    assert words in said
    assert len(said.splitlines()) == 1
    assert run("show", hub_file)[1] == ""


def test_an_old_setting_says_where_projects_went(hub_file: Path) -> None:
    hub_file.write_text('projects = "projects.toml"\n' + hub_file.read_text())
    code, said = run("show", hub_file)
    assert code == 1
    assert "twinpane hub apply hub.toml projects.toml" in said


def test_a_project_from_its_proposal_to_its_end(hub_file: Path) -> None:
    """By commands alone; each says what it did, and refuses in a sentence."""
    for site in ("a", "b"):
        assert run("site", "add", hub_file, site, "--title", f"Hospital {site}")[0] == 0
    about = [
        "--title",
        "Heart",
        "--purpose",
        "Why",
        "--site",
        "a",
        "--member",
        "ana",
        "--table",
        "lab=value,unit",
        "--expires",
        "2100-01-01",
    ]
    assert run("project", "propose", hub_file, "heart", *about)[1].startswith("Done: propose project heart (Heart) to a, with ana.\n")
    assert run("project", "propose", hub_file, "heart", *about)[0] == 1
    assert "add member ben" in run("project", "change", hub_file, "heart", "--add-member", "ben")[1]
    assert "no answer yet" in run("project", "list", hub_file)[1]
    assert "first" not in run("people", "list", hub_file)[1]
    assert "ben " in run("people", "list", hub_file)[1]
    assert run("project", "suspend", hub_file, "heart")[1] == "Done: suspend project heart.\n"
    assert run("project", "resume", hub_file, "heart")[0] == 0
    assert run("site", "remove", hub_file, "a")[0] == 1
    assert run("project", "end", hub_file, "heart")[0] == 0
    assert "has ended" in run("project", "resume", hub_file, "heart")[1]
    assert run("site", "remove", hub_file, "a")[0] == 0
    assert "never seen" in run("site", "list", hub_file)[1]


def test_a_one_time_token_is_printed_once_and_kept_as_a_hash(hub_file: Path) -> None:
    run("site", "add", hub_file, "a")
    token = run("site", "invite", hub_file, "a", "--days", "1")[1].rpartition("TWINPANE_SITE_TOKEN=")[2].strip()
    kept = store_at(hub_file.parent / "hub")().sites["a"]
    assert len(token) > 40
    assert kept.refuses_token(token, datetime.now(UTC)) == ""
    assert "expired on" in kept.refuses_token(token, datetime(2100, 1, 1, tzinfo=UTC))
    assert kept.refuses_token("x" * 40, NOW) == "is wrong"
    assert token not in (hub_file.parent / "hub" / "network.sqlite").read_bytes().decode("latin-1")
