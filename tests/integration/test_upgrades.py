"""What an earlier version wrote is taken on by this one: its sites remember what they let out, its hubs whom they know."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from twinpane_cli.command import main
from twinpane_hub import accounts, disabled
from twinpane_hub.hub_database import FILE as HUB_DATABASE
from twinpane_hub.known_names import known
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.settings import load
from twinpane_site.config import load_policy
from twinpane_site.db import Database
from twinpane_site.meter import Meter

KEPT = sorted((Path(__file__).parents[1] / "data" / "upgrades").glob("*.tar.gz"))
SQL = "select sex, count(*) n from person group by sex"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def ran(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(params=KEPT, ids=[path.name for path in KEPT])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_site_of_an_earlier_version_remembers_what_it_let_out(kept: Path) -> None:
    """Asked again, it gives the release of then, number for number; ledger, key, policy and granted bits hold."""
    site = kept / "north"
    ran("site", "restore", kept / "site-backup", site, "--accept-unproven")
    before = json.loads(ran("site", "ledger", "show", site, "--kind", "release", "--format", "jsonl").splitlines()[0])
    again = json.loads(ran("site", "query", site, SQL, "--project", "heart", "--json"))
    assert again["status"] == "released"
    assert again["id"] == before["body"]["id"]
    ran("site", "ledger", "verify", site)
    db = Database.open(site)
    try:
        meter = Meter(db, load_policy(site).meter.budget, lambda: datetime.now(UTC))
        left = meter.account("ana", "heart").left_total
    finally:
        db.close()
    assert left == load_policy(site).meter.total_bits + 64


def test_a_hub_of_an_earlier_version_knows_network_and_people(kept: Path) -> None:
    hub = kept / "hub"
    ran("hub", "restore", kept / "hub-backup", hub)
    settings = load(hub / "hub.toml")
    network = NetworkStore(settings.store_url)()
    assert network.projects["heart"].tables == {"person": ("sex",)}
    assert network.sites["north"].token_sha256
    assert known(settings) == {"ana", "bo", "carol", "dan"}
    assert disabled.load(settings.state_folder) == {"bo"}
    assert accounts.load(hub / "accounts.toml")["ana"].groups == ("researcher",)
    assert (settings.state_folder / HUB_DATABASE).exists()
