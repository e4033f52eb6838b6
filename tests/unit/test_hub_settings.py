"""The hub's settings are strict."""

from pathlib import Path

import pytest

from twinpane_hub.oidc_sign_in import BadClaims, groups_of, who
from twinpane_hub.settings import ENVIRONMENT, HubSettings, OidcSignIn, SettingsError, from_environment, load

LOCAL = '[sign_in]\nkind = "local"\n'


def settings(tmp_path: Path, text: str) -> HubSettings:
    (tmp_path / "hub.toml").write_text(text)
    return load(tmp_path / "hub.toml")


def test_relative_paths_start_at_the_settings_file(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL)
    assert found.state_folder == tmp_path / "hub"
    assert found.address == "http://localhost:8000"
    assert found.switchboard == "ws://127.0.0.1:8082"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "sign_in"), (LOCAL + "colour = 1\n", "colour"), ("port = 8001\n" + LOCAL, "must differ"), ("port = 0\n" + LOCAL, "port"),
        ('[sign_in]\nkind = "none"\n', "sign_in"), (LOCAL + '[review.a]\ntoken = "short"\n', "`token` in [review.a]"), ("port", "not TOML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, text)
    assert words in str(refused.value)
    assert "hub.toml" in str(refused.value)


def test_a_missing_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(SettingsError, match=ENVIRONMENT):
        from_environment()


OIDC = OidcSignIn(
    kind="oidc", name="Hospital", issuer="https://id.test", authorize_url="https://id.test/a", token_url="https://id.test/t", userdata_url="https://id.test/u",
    client_id="hub", callback_url="https://hub.test/hub/oauth_callback", roles={"it-research": "researcher", "privacy-board": "reviewer"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["it-research", "everyone"]}, {"researcher"}), ({"groups": "privacy-board"}, {"reviewer"}), ({}, set()),
        ({"groups": ["admin", "researcher"]}, set()), ({"groups": None}, set()),
    ],
)  # fmt: skip
def test_only_groups_that_the_settings_map_give_a_role(claims: dict[str, object], groups: set[str]) -> None:
    assert groups_of(OIDC, claims) == groups


@pytest.mark.parametrize("groups", [1, True, {"it-research": True}, [None, 1, {"a": 1}], ["it-research", 1], [["it-research"]]])
def test_groups_in_another_form_are_refused(groups: object) -> None:
    """Before, a dict of groups counted as a list of its keys."""
    with pytest.raises(BadClaims, match="no list of names"):
        groups_of(OIDC, {"groups": groups})


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"preferred_username": "mia"}, "which person"), ({"sub": 7, "preferred_username": "mia"}, "which person"),
        ({"sub": "", "preferred_username": "mia"}, "which person"), ({"sub": "x" * 256, "preferred_username": "mia"}, "which person"),
        ({"sub": "1"}, "name"), ({"sub": "1", "preferred_username": ["mia"]}, "name"),
        ({"sub": "1", "preferred_username": "../mia"}, "name"), ({"sub": "1", "preferred_username": "mia\n"}, "name"),
    ],
)  # fmt: skip
def test_a_person_without_a_subject_or_a_usable_name_is_refused(claims: dict[str, object], words: str) -> None:
    with pytest.raises(BadClaims, match=words):
        who(OIDC, claims)


def test_names_are_written_small() -> None:
    assert who(OIDC, {"sub": "1", "preferred_username": "Mia@Hospital.ORG"}) == ("mia@hospital.org", "1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('host = "0.0.0.0"\n', "public_url is missing"), ('public_url = "https://hub.example.org/twinpane"\n', "without a path"),
        ('public_url = "https://192.0.2.7"\n', "must have a name"), ('public_url = "http://hub.example.org"\n', "must be https"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_keep_projects_apart_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Each server has a name of its own below the hub's, and what people send is encrypted."""
    with pytest.raises(SettingsError, match=words):
        settings(tmp_path, text + LOCAL)


@pytest.mark.parametrize(
    "text",
    ['public_url = "https://hub.example.org"\n', 'public_url = "http://hub.example.org"\nplain_http = true\n', 'host = "127.0.0.2"\n'],
)
def test_a_name_is_taken_without_https_only_where_said_in_words(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text + LOCAL).address.startswith("http")
