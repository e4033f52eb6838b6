"""site.toml, policy.toml, catalogue.toml: read strictly, never guessed, drafted to be usable at once."""

import tomllib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, ColumnType, Given, Role, Table
from twinpane_ground import strict_toml
from twinpane_site.catalogue_toml import dump_catalogue, load_catalogue
from twinpane_site.config import Policy, Project, SiteConfig, load_config, load_policy, load_site, project_catalogue
from twinpane_site.errors import ConfigError
from twinpane_site.templates import policy_toml, site_toml

ADDRESSES = {"hub": "http://hub:8000", "host": "127.0.0.1", "port": 8443, "public_url": "https://review.example"}


def site_text(**more):
    return site_toml(**{"id": "north", "title": "North", "source": "/data", "person_key": "person_id", **ADDRESSES, **more})


def policy(folder, text):
    (folder / "policy.toml").write_text(text)
    return load_policy(folder)


# ------------------------------------------------------------------ policy.toml


def test_the_drafted_policy_is_the_design_s_defaults(tmp_path):
    drafted = policy(tmp_path, policy_toml(["ana", "bo"]))
    assert drafted.rules.threshold == 10
    assert drafted.review.reviewers == ("ana", "bo")
    plain = policy(tmp_path, "[rules]\npreset = '10-5'\nthreshold = 10\n")
    assert drafted.model_copy(update={"review": plain.review}) == plain


def test_every_setting_of_the_policy_stands_in_the_draft():
    drafted = tomllib.loads(policy_toml())
    for name, field in Policy.model_fields.items():
        settings_of = set(field.annotation.model_fields)
        if name == "rules":
            settings_of = {"preset", "threshold", "base", "sets_percent", "withheld_per_day"}  # the preset says the others
        assert set(drafted[name]) == settings_of, name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"\[rules\] is missing"),
        ("[rules]\n", r"\[rules\] is missing"),
        ("[rules]\npreset = '10-5'\n", "threshold is missing; write threshold = 10"),
        ("[rules]\nbase = 5\n", "threshold is missing"),
        ("rules = 5\n", "is a section"),
        ("[rules]\nthreshold = 10\ntreshold = 10\n", "unknown key `treshold` in .rules.; known are preset, threshold"),
        ("[rules]\nthreshold = 1\n", "threshold"),
        ("[rules]\nthreshold = 10\npreset = 'none'\n", "no preset"),
        ("[rules]\nthreshold = '10'\n", "`threshold` in .rules.: input should be a valid integer"),
        ("[rules]\nthreshold = 10\n[session]\nvolume = 'folder'\n", "accept_unlimited_project = true"),
        ("[rules]\nthreshold = 10\n[metre]\n", "unknown key `metre`; known are rules, code, meter"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bit = 5.0\n", r"unknown key `day_bit` in \[meter\]; known are day_bits, total_bits"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bits = '5'\n", r"`day_bits` in \[meter\]: input should be a valid number"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bits = -1.0\n", "day_bits"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bits = inf\n", "policy.toml"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bits = true\n", "day_bits"),
        ("[rules]\nthreshold = 10\n[code]\nsame = 0.99\n", "add up to more than 1"),
        ("[rules]\nthreshold = 10\n[review]\nquorum = 0\n", "quorum"),
        ("[rules]\nthreshold = 10\n[review]\nreviewers = ['a', 'a']\n", "twice"),
        ("[rules]\nthreshold = 10\n[review]\nreviewers = ['*']\n", "reviewers"),
        ("[rules]\nthreshold = 10\n[session]\nidle_minutes = 1.5\n", "idle_minutes"),
        ("[rules\n", "is not TOML"),
    ],
)
def test_an_unclear_policy_is_refused_naming_file_and_key(tmp_path, text, said):
    """A policy that is not clear is refused, naming file and key."""
    with pytest.raises(ConfigError, match=said) as caught:
        policy(tmp_path, text)
    assert "policy.toml" in str(caught.value)


def test_a_missing_policy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"policy\.toml is missing"):
        load_policy(tmp_path)


def test_a_preset_brings_its_numbers_and_single_keys_change_them(tmp_path):
    drafted = policy(tmp_path, "[rules]\npreset = 'cms-11'\nthreshold = 12\n")
    assert (drafted.rules.threshold, drafted.rules.base, drafted.rules.zeros) == (12, 1, "shown")


# ------------------------------------------------------------------ site.toml


def test_the_drafted_site_is_read_back(tmp_path):
    project = Project(id="heart", members=("ana", "bo"), tables=("person",))
    (tmp_path / "site.toml").write_text(site_text(title='A "quoted"\ntitle', projects=[project]))
    config = load_config(tmp_path)
    assert config.title == 'A "quoted"\ntitle'
    assert config.projects == (project,)
    assert config.hub.socket_url == "ws://hub:8000/services/switchboard"


def test_a_new_site_admits_nobody():
    config = strict_toml.parse(site_text(), SiteConfig, "site.toml", ConfigError)
    assert config.projects == ()
    assert not config.admits("ana", "heart")


def test_only_listed_members_of_accepted_projects_are_admitted():
    config = strict_toml.parse(site_text(projects=[Project(id="heart", members=("ana",))]), SiteConfig, "site.toml", ConfigError)
    assert config.admits("ana", "heart")
    assert not config.admits("bo", "heart")
    assert not config.admits("ana", "lung")
    assert not config.admits("*", "heart")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (site_text().replace('id = "north"', 'id = "North!"'), "`id`"),
        (site_text().replace("[hub]", "[hubb]"), "unknown key `hubb`"),
        (site_text().replace("port = 8443", "port = 70000"), r"`port` in \[review\]"),
        (site_text().replace('url = "http://hub:8000"', 'url = "hub"'), r"`url` in \[hub\]"),
        (site_text() + "[[projects]]\nid = 'p'\n", r"`members` is missing in \[projects.0\]"),
        (site_text() + "[[projects]]\nid = 'p'\nmembers = ['*']\n", "members"),
        (site_text() + "[[projects]]\nid = 'p'\nmembers = 'ana'\n", "members"),
        (site_text() + "[[projects]]\nid = 'p'\nmembers = []\ntable = []\n", "unknown key `table` in .projects.0.; known are id, mem"),
        (site_text() + "[[projects]]\nid = 'p'\nmembers = []\n" * 2, "listed twice"),
        ("id = 'x'\n", "`source` is missing"),
    ],
)
def test_a_site_file_that_is_not_clear_is_refused_naming_the_key(text, said):
    with pytest.raises(ConfigError, match=said):
        strict_toml.parse(text, SiteConfig, "site.toml", ConfigError)


# ------------------------------------------------------------------ catalogue.toml

FULL = Catalogue(
    site="north", title='North "General"', snapshot="2026-03-01", persons=1000,
    tables=(
        Table(
            name="person", person_key="person_id", label="Patients",
            columns=(
                Column(name="person_id", type=ColumnType.integer, role=Role.key),
                Column(name="sex", type=ColumnType.varchar, role=Role.dimension, missing=0.01,
                       codes=(Code(value="F", label="female\tü", share=0.5), Code(value="1", share=0.25), Code(value='"\\', share=0.25))),
                Column(name="flag", type=ColumnType.boolean, role=Role.dimension,
                       codes=(Code(value=True, share=0.5), Code(value=1, share=0.2), Code(value=1.0, share=0), Code(value="1", share=0.1))),
                Column(name="age", type=ColumnType.double, role=Role.measure, bounds=(0, 120), unit="years", precision=0.5,
                       knots=tuple(i / 3 for i in range(40))),
                Column(name="born", type=ColumnType.date, role=Role.date, days=(date(1950, 1, 1), date(1990, 12, 1)), after="seen"),
                Column(name="seen", type=ColumnType.date, role=Role.hidden),
                Column(name="name_of_sex", type=ColumnType.varchar, role=Role.dimension, follows="sex",
                       codes=(Code(value="female", share=0.5),),
                       given=(Given(code="F", value="female"), Given(code="1", knots=(0.1, 1e-9, 3e20)))),
            ),
        ),
        Table(name="visit", person_key="person_id", rows_per_person=(0.25, 0.5, 0.25),
              columns=(Column(name="person_id", type=ColumnType.integer, role=Role.key, references="person.person_id"),)),
    ),
)  # fmt: skip


def test_a_catalogue_is_read_back_as_it_was_written(tmp_path):
    (tmp_path / "catalogue.toml").write_text(dump_catalogue(FULL, 10))
    read = load_catalogue(tmp_path / "catalogue.toml")
    assert read == FULL
    assert [type(code.value) for code in read.table("person").column("flag").codes] == [bool, int, float, str]


@settings(max_examples=60)
@given(
    label=st.text(st.characters(codec="utf-8"), max_size=40),
    values=st.lists(st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False)), max_size=8),
    share=st.floats(0, 1),
)
def test_any_label_and_code_is_read_back(label, values, share):
    codes = tuple(Code(value=value, label=label, share=share) for value in values)
    columns = (
        Column(name="person_id", type=ColumnType.integer, role=Role.key),
        Column(name="c", type=ColumnType.varchar, role=Role.dimension, label=label, codes=codes),
    )
    catalogue = Catalogue(site="a", snapshot="s", persons=1, tables=(Table(name="t", person_key="person_id", columns=columns),))
    read = strict_toml.parse(dump_catalogue(catalogue), Catalogue, "catalogue.toml", ConfigError)
    assert read == catalogue
    assert [type(code.value) for code in read.tables[0].columns[1].codes] == [type(value) for value in values]


def test_lines_of_a_drafted_catalogue_fit_a_screen():
    assert max(len(line) for line in dump_catalogue(FULL, 10).splitlines()) <= 140


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('role = "measure"', 'role = "mesure"', "`role` in .tables.0.columns.3."),
        ("bounds = ", "bound = ", "unknown key `bound`"),
        ('person_key = "person_id"', 'person_key = "nhs_number"', "no column nhs_number, its person key"),
        ("persons = 1000", "", "`persons` is missing"),
        ('name = "sex"', 'name = "sex; drop table"', "name"),
    ],
)
def test_a_catalogue_that_is_not_clear_is_refused(tmp_path, old, new, said):
    text = dump_catalogue(FULL, 10)
    assert old in text
    (tmp_path / "catalogue.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=said) as caught:
        load_catalogue(tmp_path / "catalogue.toml")
    assert "catalogue.toml" in str(caught.value)


# ------------------------------------------------------------------ together


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site.toml").write_text(site_text(projects=[Project(id="heart", members=("ana",), tables=("visit",))]))
    (tmp_path / "policy.toml").write_text(policy_toml())
    (tmp_path / "catalogue.toml").write_text(dump_catalogue(FULL))
    return tmp_path


def test_a_site_folder_is_read_whole(folder):
    site = load_site(folder)
    assert site.catalogue == FULL
    assert site.source.as_posix() == "/data"


def test_a_catalogue_of_another_site_is_refused(folder):
    (folder / "catalogue.toml").write_text(dump_catalogue(FULL.model_copy(update={"site": "south"})))
    with pytest.raises(ConfigError, match="south"):
        load_site(folder)


def test_a_project_with_a_table_that_does_not_exist_is_refused(folder):
    (folder / "site.toml").write_text(site_text(projects=[Project(id="heart", members=(), tables=("vist",))]))
    with pytest.raises(ConfigError, match="vist"):
        load_site(folder)


@pytest.mark.parametrize("missing", ["site.toml", "policy.toml", "catalogue.toml"])
def test_a_site_without_one_of_its_files_is_refused(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing} is missing"):
        load_site(folder)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="twinpane site init"):
        load_site(tmp_path / "nowhere")


def test_a_project_knows_of_its_tables_and_of_nothing_hidden(folder):
    site = load_site(folder)
    known = project_catalogue(site.catalogue, site.config.project("heart"))
    assert [table.name for table in known.tables] == ["visit"]
    every = project_catalogue(site.catalogue, Project(id="all", members=()))
    assert every.table("person").column("seen") is None
    assert "seen" not in every.model_dump_json()


@pytest.mark.parametrize("url", ["http://review.example", "http://192.0.2.7:8443", "http://localhost.review.example/"])
def test_plain_http_on_the_network_is_refused(url):
    """Passwords and real items go to the pages. Before, a steward had not even to say that others may listen."""
    text = site_text(public_url=url)
    with pytest.raises(ConfigError, match="must be https://"):
        strict_toml.parse(text, SiteConfig, "site.toml", ConfigError)
    said = text.replace("public_url =", "plain_http = true\npublic_url =")
    assert strict_toml.parse(said, SiteConfig, "site.toml", ConfigError).review.public_url == url


@pytest.mark.parametrize("url", ["https://review.example", "http://127.0.0.1:8443", "http://localhost:8443", "http://[::1]:8443"])
def test_tls_or_this_machine_needs_no_word(url):
    assert strict_toml.parse(site_text(public_url=url), SiteConfig, "site.toml", ConfigError).review.public_url == url
