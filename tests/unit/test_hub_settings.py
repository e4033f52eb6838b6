"""The hub's settings are strict."""

from pathlib import Path

import pytest

from twinpane_hub.settings import ENVIRONMENT, HubSettings, OidcSignIn, SettingsError, from_environment, load
from twinpane_hub.sign_in import groups_of

LOCAL = '[sign_in]\nkind = "local"\n'


def settings(tmp_path: Path, text: str) -> HubSettings:
    (tmp_path / "hub.toml").write_text(text)
    return load(tmp_path / "hub.toml")


def test_relative_paths_start_at_the_settings_file(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL)
    assert found.state_folder == tmp_path / "hub"
    assert found.address == "http://127.0.0.1:8000"
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
    kind="oidc", name="Hospital", authorize_url="https://id.test/a", token_url="https://id.test/t", userdata_url="https://id.test/u",
    client_id="hub", callback_url="https://hub.test/hub/oauth_callback", roles={"it-research": "researcher", "privacy-board": "reviewer"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["it-research", "everyone"]}, {"researcher"}), ({"groups": "privacy-board"}, {"reviewer"}), ({}, set()),
        ({"groups": ["admin", "researcher"]}, set()), ({"groups": [None, 1, {"a": 1}]}, set()),
        ({"groups": None}, set()), ({"groups": 1}, set()),
    ],
)  # fmt: skip
def test_only_groups_that_the_settings_map_give_a_role(claims: dict[str, object], groups: set[str]) -> None:
    assert groups_of(OIDC, claims) == groups
