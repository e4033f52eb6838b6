"""Names of people match without regard to case, wherever two of them are compared."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from traitlets.config import Config

from twinpane_ground import strict_toml
from twinpane_hub import accounts
from twinpane_hub.hub_identity import HubIdentity
from twinpane_hub.local_sign_in import LocalAccounts
from twinpane_hub.projects import Directory, Project, Site
from twinpane_review.identity import HubIdentity as ReviewIdentity
from twinpane_review.model import ReviewPolicy
from twinpane_site import config as site_config
from twinpane_site.errors import ConfigError
from twinpane_site.init import NewSite, make_site
from twinpane_site.steward import grant_bits
from twinpane_wire.messages import Principal

WRITTEN, MEANT = "Mia@Hospital.ORG", "mia@hospital.org"


def policy(tmp_path: Path, reviewers: str) -> site_config.Policy:
    (tmp_path / "policy.toml").write_text(f"[rules]\nthreshold = 10\n[review]\nreviewers = [{reviewers}]\n")
    return site_config.load_policy(tmp_path)


def hub(name: str, user: str) -> Any:
    reply = {"kind": "user", "name": name, "scopes": [f"access:servers!user={user}"]}
    return httpx.MockTransport(lambda request: httpx.Response(200, json=reply))


def test_a_person_is_one_principal_however_they_are_written() -> None:
    assert Principal(user=WRITTEN, project="p") == Principal(user=MEANT, project="p")


def test_a_project_of_a_site_admits_a_member_in_any_case() -> None:
    """The hub's names are in small letters: a member written with capitals never matched."""
    config = site_config.SiteConfig(id="north", source="data", projects=(site_config.Project(id="heart", members=(WRITTEN,)),))
    assert config.admits(Principal(user=MEANT, project="heart").user, "heart")
    assert not config.admits("mia", "heart")


def test_a_project_of_the_hub_admits_a_member_in_any_case() -> None:
    running = Project(title="Hearts", sites=("north",), members=(WRITTEN,), expires=date.max)
    directory = Directory(projects={"heart": running}, sites={"north": Site()})
    assert directory.admit(MEANT, "heart", date(2026, 1, 1)) is directory.of(MEANT)["heart"]


def test_a_reviewer_is_named_in_any_case(tmp_path: Path) -> None:
    assert policy(tmp_path, f"'{WRITTEN}', 'bo'").review.reviewers == (MEANT, "bo")


def test_one_reviewer_in_two_cases_is_no_quorum_of_two(tmp_path: Path) -> None:
    """`Rosa` and `rosa` are one person: with a quorum of two nothing could ever be released."""
    with pytest.raises(ConfigError, match="listed twice"):
        policy(tmp_path, "'Rosa', 'rosa'")
    with pytest.raises(ValueError, match="someone twice"):
        ReviewPolicy(("Rosa", "rosa"))


async def test_a_token_is_a_persons_in_any_case() -> None:
    """A hub that keeps capitals names its scopes with them."""
    running = Project(title="Hearts", sites=("north",), members=(MEANT,), expires=date.max)
    directory = Directory(projects={"heart": running}, sites={"north": Site()})
    identity = HubIdentity("http://hub.test/hub/api", lambda: directory, hub(WRITTEN, WRITTEN))
    assert await identity("T", "heart") == Principal(user=MEANT, project="heart")


async def test_a_reviewer_who_signs_in_is_known_in_any_case() -> None:
    identity = ReviewIdentity("http://hub.test", "service-r", "s", "http://site.test/back", transport=hub(WRITTEN, WRITTEN))
    assert await identity._user("T") == MEANT


async def test_an_account_signs_in_in_any_case(tmp_path: Path) -> None:
    """The hub makes names small only after it has looked for the account."""
    file = tmp_path / "accounts.toml"
    accounts.save(file, {MEANT: accounts.Account(password=accounts.hashed("right"), groups=("researcher",))})
    signing_in = LocalAccounts(config=Config(LocalAccounts={"file": str(file)}))
    found = await signing_in.authenticate(None, {"username": WRITTEN, "password": "right"})
    assert found is not None
    assert (found["name"], found["groups"]) == (MEANT, ["researcher"])
    assert await signing_in.authenticate(None, {"username": WRITTEN, "password": "wrong"}) is None


def test_bits_are_granted_to_a_person_in_any_case(tmp_path: Path) -> None:
    import duckdb

    data, now = tmp_path / "data", datetime(2026, 3, 1, tzinfo=UTC)
    data.mkdir()
    duckdb.sql("select i::bigint as person_id, i % 2 as arm from range(100) t(i)").write_parquet(str(data / "person.parquet"))
    member = site_config.Project(id="heart", members=(WRITTEN,))
    make_site(tmp_path / "site", NewSite("north", data, projects=[member]), now)
    grant_bits(tmp_path / "site", WRITTEN, "heart", 100, "sue", now)
    assert grant_bits(tmp_path / "site", MEANT, "heart", 100, "sue", now) == 1024 + 200


def test_a_name_is_read_from_a_file_as_from_the_link() -> None:
    """Bytes of the link and text of a file go through the same type."""
    assert strict_toml.parse(f"user = '{WRITTEN}'\nproject = 'p'", Principal, "x", ConfigError).user == MEANT
    assert Principal.model_validate_json(f'{{"user": "{WRITTEN}", "project": "p"}}').user == MEANT
