"""``twinpane site freeze``, ``unfreeze``, ``account`` and ``overview`` as a steward types them."""

import re
import shutil
from datetime import UTC, datetime

import duckdb
import pyotp
import pytest
from click.testing import CliRunner

from twinpane_cli.command import main
from twinpane_site import keys, ledger_verification
from twinpane_site.db import Database
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.mailbox import Mailbox
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_site.session_figures import Figures, FiguresTable, KernelState
from twinpane_wire.messages import Open, Principal, Proposal


def run(*arguments, typed=None):
    return CliRunner().invoke(main, ["site", *(str(argument) for argument in arguments)], input=typed, catch_exceptions=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    duckdb.execute(f"COPY (SELECT i AS person_id, i % 2 AS sex FROM range(300) t(i)) TO '{data}/person.parquet' (FORMAT parquet)")
    folder = tmp_path_factory.mktemp("site") / "north"
    assert run("init", folder, "--id", "north", "--data", data, "--project", "heart", "--member", "ana").exit_code == 0
    return folder


@pytest.fixture
def folder(model, tmp_path):
    shutil.copytree(model, tmp_path / "north")
    return tmp_path / "north"


def account(folder, name, *options):
    done = run("account", "add", folder, name, *options, "--by", "root")
    assert done.exit_code == 0, done.output
    return re.search(r"([a-z2-9]{4}-){6}[a-z2-9]{4}", done.output)[0]


def ledger(folder):
    db = Database.open(folder)
    try:
        return [(entry.kind.value, dict(entry.body)) for entry in Ledger(db, keys.load(folder / "keys")).entries()]
    finally:
        db.close()


def test_a_frozen_site_judges_no_question_of_the_terminal(folder, monkeypatch):
    """Nothing would leave, but the memory and the account would keep it. Before, they did."""
    assert run("query", folder, "select count(*) n from person").exit_code == 0
    assert run("freeze", folder, "--by", "root").exit_code == 0
    monkeypatch.setattr("twinpane_site.terminal_query.open_broker", lambda *_: pytest.fail("a broker was opened"))
    done = run("query", folder, "select count(*) n from person where sex = 1")
    assert done.exit_code != 0
    assert "frozen" in done.output


def test_one_command_freezes_and_two_people_unfreeze(folder):
    ada, bo = account(folder, "ada", "--steward"), account(folder, "Bo", "--steward")
    frozen = run("freeze", folder, "--reason", "a leak?", "--by", "ada")
    assert frozen.exit_code == 0
    assert "nothing leaves" in frozen.output
    assert "FROZEN      by ada" in run("overview", folder).output
    assert "One more steward" in run("unfreeze", folder, "--as", "ada", typed=f"{ada}\n").output
    assert "One more steward" in run("unfreeze", folder, "--as", "ADA", typed=f"{ada}\n").output
    assert "Unfrozen" in run("unfreeze", folder, "--as", "BO", typed=f"{bo}\n").output
    assert "frozen      no" in run("overview", folder).output
    said = [line for line in ledger(folder) if line[0] in ("frozen", "unfreeze", "unfrozen")]
    assert [kind for kind, _ in said] == ["frozen", "unfreeze", "unfreeze", "unfrozen"]
    assert said[0][1] == {"by": "ada", "reason": "a leak?"}
    assert said[-1][1]["by"] == ["ada", "bo"]
    assert ledger_verification.verify(folder).ok


@pytest.mark.parametrize(("name", "whose"), [("ada", "clerk"), ("clerk", "clerk"), ("nobody", "ada"), ("ada", None)])
def test_only_a_steward_with_their_password_unfreezes(folder, name, whose):
    """Exit status 1, and nothing is written."""
    words = {"ada": account(folder, "ada", "--steward"), "clerk": account(folder, "clerk"), None: "guess"}
    run("freeze", folder)
    done = run("unfreeze", folder, "--as", name, typed=f"{words[whose]}\n")
    assert done.exit_code == 1
    assert not any(kind == "unfreeze" for kind, _ in ledger(folder))


def test_what_is_not_frozen_cannot_be_unfrozen(folder):
    done = run("unfreeze", folder, "--as", "ada", typed="x\n")
    assert (done.exit_code, "is not frozen" in done.output) == (1, True)


def test_too_few_stewards_are_named_when_they_matter(folder):
    assert "It has 0 of them" in run("freeze", folder).output


def test_accounts_are_listed_changed_and_removed(folder):
    first = account(folder, "Ada", "--steward")
    assert run("account", "list", folder).output == "ada  steward\n"
    assert account(folder, "ada") != first
    assert run("account", "list", folder).output == "ada  steward\n"
    account(folder, "ada", "--no-steward")
    assert run("account", "list", folder).output == "ada\n"
    assert run("account", "remove", folder, "ADA").exit_code == 0
    assert run("account", "list", folder).output == ""
    assert run("account", "remove", folder, "ada").exit_code == 1


@pytest.mark.parametrize("command", [("freeze",), ("unfreeze", "--as", "x"), ("account", "list"), ("overview",), ("sessions",)])
def test_a_folder_that_is_no_site_is_named_and_not_made(tmp_path, command):
    done = run(*command, tmp_path / "none", typed="x\n") if command[0] != "account" else run(*command, tmp_path / "none")
    assert done.exit_code == 1
    assert not (tmp_path / "none").exists()


def test_the_overview_counts_what_left(folder):
    """Today and ever, by kind; bits of each member; no site has to run."""
    output = run("overview", folder).output
    assert "Revealed numbers: 0 today, 0 ever" in output
    assert "ana in heart: 1,024.0 left today, 16,384.0 in all" in output
    assert LedgerEvent.created.value not in output


def test_a_telephone_is_set_up_and_asked_for_at_the_terminal(folder):
    """Shown once; a wrong code sets nothing up. Each command that asks for the password then asks for a code."""
    bo = account(folder, "Bo", "--steward")
    assert run("account", "code", folder, "bo", typed="000000x\n").exit_code == 1
    assert run("account", "code", folder, "nobody", typed="1\n").exit_code == 1
    run("freeze", folder, "--by", "root")
    assert run("unfreeze", folder, "--as", "bo", typed=f"{bo}\n").exit_code == 0

    secret = "A" * 32
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twinpane_ground.one_time_codes.new_secret", lambda: secret)
        done = run("account", "code", folder, "bo", typed=f"{pyotp.TOTP(secret).now()}\n")
    assert done.exit_code == 0, done.output
    assert "otpauth://totp/" in done.output
    assert run("ledger", "seen", folder, "--as", "bo", "--upto", "1", typed=f"{bo}\n000000x\n").exit_code == 1
    following = pyotp.TOTP(secret).at(datetime.now(UTC).timestamp() + 30)
    assert run("ledger", "seen", folder, "--as", "bo", "--upto", "1", typed=f"{bo}\n{following}\n").exit_code == 0
    assert run("account", "code", folder, "bo", "--off").exit_code == 0
    assert run("account", "code", folder, "bo", "--off").exit_code == 1
    assert run("ledger", "seen", folder, "--as", "bo", "--upto", "2", typed=f"{bo}\n").exit_code == 0
    assert ledger_verification.verify(folder).ok


def test_a_session_is_seen_and_stopped_at_the_terminal(folder):
    """With what the agent measured; stopped once, and only where it is open."""
    session, now = "a" * 32, datetime.now(UTC)
    assert run("sessions", folder).output == "none\n"
    db = Database.open(folder)
    Mailbox(db).receive(session, Principal(user="ana", project="heart"), 1, Open(session=session, seed=1), now)
    assert "it has just begun, or the agent does not run" in run("sessions", folder).output
    FiguresTable(db).put([Figures(session, KernelState.running, 3, 61.25, 2**30, 2**20, 2**29)], now)
    db.close()
    line = run("sessions", folder).output
    assert line.startswith(f"{session}  ana in heart since ")
    assert line.endswith("running cell 3; processor 61.2 s, memory 1,024.0 MiB, /project 1.0 MiB of 512.0 MiB\n")
    assert "1 open" in run("overview", folder).output
    assert run("sessions", folder, "--stop", session, "--by", "Ada").exit_code == 0
    assert ledger(folder)[-1] == ("session_stopped", {"session": session, "user": "ana", "project": "heart", "by": "ada"})
    assert "stopped; it ends" in run("sessions", folder).output
    for gone in (session, "b" * 32, "", "x' --"):
        done = run("sessions", folder, "--stop", gone)
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert ledger_verification.verify(folder).ok


def test_the_ledger_is_read_by_kind_project_person_and_day(folder):
    """The same lines as text, CSV and JSON Lines."""
    account(folder, "ada", "--steward")
    run("grant", folder, "--user", "ana", "--project", "heart", "--bits", "5", "--by", "=root")
    assert [line.split()[2] for line in run("ledger", "show", folder).output.splitlines()] == ["created", "project", "account", "grant"]
    for options in (
        ("--kind", "grant"),
        ("--project", "heart", "--kind", "grant"),
        ("--person", "Ana"),
        ("--person", "ana", "--since", "2020-01-01"),
    ):
        for form, line in (("text", 0), ("csv", 1), ("jsonl", 0)):
            found = run("ledger", "show", folder, *options, "--format", form).output.splitlines()
            assert len(found) == line + 1
            assert "=root" in found[line]
    assert run("ledger", "show", folder, "--until", "2020-01-01").output == ""
    assert run("ledger", "show", folder, "--kind", "nothing").exit_code == 2
    assert run("ledger", "show", folder, "--since", "yesterday").exit_code == 2


def test_a_steward_signs_off_at_the_terminal(folder):
    """With their password; a mark that is no news, or of no line, is refused."""
    ada, clerk = account(folder, "ada", "--steward"), account(folder, "clerk")
    assert run("ledger", "seen", folder, "--as", "Ada", "--upto", "3", typed=f"{ada}\n").exit_code == 0
    for name, password, upto in (("ada", ada, 3), ("ada", ada, 99), ("ada", clerk, 4), ("clerk", clerk, 3)):
        assert run("ledger", "seen", folder, "--as", name, "--upto", upto, typed=f"{password}\n").exit_code == 1
    assert [body["by"] for kind, body in ledger(folder) if kind == "seen"] == ["ada"]
    assert ledger_verification.verify(folder).ok


def propose(folder, **what):
    asked = {"project": "lung", "title": "Lungs", "people": [{"user": "mia", "role": "researcher"}, {"user": "bo", "role": "researcher"}]}
    db = Database.open(folder)
    try:
        ProposalInbox(db, lambda: datetime.now(UTC)).take(Proposal.model_validate({**asked, "expires": "2090-01-31", **what}))
    finally:
        db.close()


def shown(folder):
    """The version that a steward reads."""
    return "--version", re.search(r"version ([0-9a-f]{64}),", run("project", "show", folder, "lung").output)[1]


@pytest.mark.parametrize("act", [("accept",), ("decline", "--reason", "purpose")])
def test_a_steward_decides_on_the_version_that_was_read(folder, act):
    """A hub that proposes more after `show` gets nothing, nor does one whose proposal begins alike. Before, the newest was taken."""
    propose(folder, tables=[{"table": "person", "columns": ["sex"]}])
    read = shown(folder)
    propose(folder, people=[{"user": "mallory", "role": "researcher"}])
    for version in (read, (), ("--version", shown(folder)[1][:12])):
        assert run("project", act[0], folder, "lung", *version, *act[1:]).exit_code != 0
    assert "lung: proposed" in run("project", "list", folder).output
    assert run("project", act[0], folder, "lung", *shown(folder), *act[1:]).exit_code == 0


def test_a_project_lives_at_the_terminal_from_proposal_to_end(folder):
    """The same acts as at the pages, each with its line in the ledger."""
    propose(folder, tables=[{"table": "person", "columns": ["sex"]}, {"table": "genome"}])
    assert "lung: proposed" in run("project", "list", folder).output
    assert "not here  genome" in run("project", "show", folder, "lung").output
    assert "1 of 2 researchers" in run("project", "accept", folder, "lung", *shown(folder), "--member", "Mia", "--by", "root").output
    assert "tables      person" in run("project", "show", folder, "lung").output
    assert "bo, rosa" in run("project", "members", folder, "lung", "--add", "bo", "--add", "rosa", "--remove", "mia", "--by", "root").output
    for act, said in (("suspend", "Suspended"), ("go-on", "goes on"), ("end", "Ended")):
        assert said in run("project", act, folder, "lung", "--by", "root", *(["--yes"] if act == "end" else [])).output
    said = [(body["state"], body["by"]) for kind, body in ledger(folder) if kind == "project" and body["project"] == "lung"]
    assert said == [(state, "root") for state in ("accepted", "accepted", "suspended", "accepted", "ended")]
    assert "lung: ended" in run("project", "list", folder).output


@pytest.mark.parametrize("words", [
    ("accept", "nothing", "VERSION"), ("accept", "lung", "VERSION", "--member", "eve"), ("accept", "lung", "VERSION", "--table", "genome"),
    ("suspend", "lung"), ("accept", "lung", "VERSION", "--until", "2099-01-01"), ("accept", "lung", "--version", "0" * 64),
    ("go-on", "heart"), ("members", "heart", "--remove", "eve"),
    ("members", "heart", "--add", "a b"), ("end", "lung", "--yes"), ("show", "nothing"),
    ("decline", "nothing", "VERSION", "--reason", "purpose"),
    ("decline", "lung", "--version", "0" * 64, "--reason", "purpose"),
])  # fmt: skip
def test_what_no_project_allows_is_one_sentence(folder, words):
    """Exit status 1, a sentence, and no line in the ledger."""
    propose(folder)
    run("project", "list", folder)
    before = ledger(folder)
    words = [each for word in words for each in (shown(folder) if word == "VERSION" else [word])]
    done = run("project", words[0], folder, *words[1:])
    assert (done.exit_code, len(done.output.strip().splitlines())) == (1, 1), done.output
    assert ledger(folder) == before


def test_a_decline_at_the_terminal_gives_a_reason_of_the_list(folder):
    """No free text."""
    propose(folder)
    assert run("project", "decline", folder, "lung", *shown(folder), "--reason", "because").exit_code == 2
    assert run("project", "decline", folder, "lung", *shown(folder), "--reason", "purpose").exit_code == 0
    assert "declined (purpose)" in run("project", "show", folder, "lung").output


def test_what_is_over_is_not_accepted_at_the_terminal(folder):
    """Neither a proposal whose last day is over, nor one with a last day of the steward's that is."""
    propose(folder)
    assert run("project", "accept", folder, "lung", *shown(folder), "--until", "2020-01-01").exit_code == 1
    propose(folder, expires="2020-01-01")
    assert "2020-01-01, is over" in run("project", "accept", folder, "lung", *shown(folder)).output
    assert "lung: proposed; the last day that the hub proposes is over" in run("project", "list", folder).output


def run_policy(path):
    """What `twinpane policy check` says; before, it said of a folder who was in policy.toml, whoever was named since."""
    before = (path / "site.db").read_bytes() if path.is_dir() else b""
    done = CliRunner().invoke(main, ["policy", "check", str(path)])
    assert before == ((path / "site.db").read_bytes() if path.is_dir() else b"")
    return done.output


def test_reviewers_change_at_the_terminal(folder):
    """Each change has its line; a stranger is not taken out, and policy.toml as it was undoes nothing."""
    assert "none" in run("reviewers", folder).output
    assert run("reviewers", folder, "--add", "Rosa", "--add", "tom", "--by", "root").output.strip() == "rosa, tom"
    assert run("reviewers", folder, "--remove", "TOM", "--by", "root").output.strip() == "rosa"
    assert run("reviewers", folder, "--remove", "eve").exit_code == 1
    assert run("reviewers", folder, "--add", "a b").exit_code == 1
    assert [body["reviewers"] for kind, body in ledger(folder) if kind == "reviewers"] == [["rosa", "tom"], ["rosa"]]
    assert "reviewers   rosa" in run("status", folder).output
    assert "of rosa." in run_policy(folder)
    assert "nobody may decide" in run_policy(folder / "policy.toml")
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text().replace("reviewers = []", 'reviewers = ["ada"]'))
    assert "of ada." in run_policy(folder)
    assert run("reviewers", folder).output.strip() == "ada"
