"""The documentation says what is there: every setting, command, function, crossing and ledger kind, and nothing that does not exist."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import twinpane as tp
from twinpane.ask.question import Question
from twinpane.ask.result import Result
from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.rules.policy import PRESETS, Dp, Rules
from twinpane_cli.command import COMMANDS, main
from twinpane_ground.closing import Closing
from twinpane_hub import projects, settings
from twinpane_review.states import mermaid
from twinpane_site import config
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.templates import POLICY
from twinpane_wire.messages import CROSSINGS, Inward, LinkCode
from twinpane_wire.prefix_code import FAILURES, Outcome, PrefixCode

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (
    *sorted(ROOT.glob("*.md")), ROOT / "docker" / "README.md", *sorted((ROOT / "docs").rglob("*.md")),
)}  # fmt: skip
README, ARCHITECTURE, RESEARCHER = PAGES["README.md"], PAGES["docs/architecture.md"], PAGES["docs/researcher.md"]


# ---------------------------------------------------------------- reading the pages


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next of the same or a higher level, without its own sub-sections' tables mixed in."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", PAGES[page], re.MULTILINE)
    assert found, f"{page} has no heading {heading!r}"
    rest = PAGES[page][found.end() :]
    end = re.search(r"^#+ ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The body rows of all tables in a text, as lists of trimmed cells."""
    found = []
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found.append([] if all(set(cell) <= set("-: ") for cell in cells) and cells[0] else cells)
    heads = {place - 1 for place, cells in enumerate(found) if not cells}
    return [cells for place, cells in enumerate(found) if cells and place not in heads]


def names(text: str) -> list[str]:
    """The names in backticks that the rows of a table begin with."""
    return [name for cells in rows(text) for name in re.findall(r"`([^`]+)`", cells[0])]


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """(language, content) of the fenced code of a page."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """A page without its fenced code."""
    return re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def shell_lines(page: str) -> Iterator[str]:
    """The command lines of a page: in fenced shell code, continued lines joined, and in backticks."""
    for language, content in blocks(page):
        if language == "sh":
            yield from content.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", prose(page))


# ---------------------------------------------------------------- settings

SETTINGS: list[tuple[str, str, type[BaseModel]]] = [
    ("docs/steward.md", "site.toml", config.SiteConfig),
    ("docs/steward.md", "[engine]", config.EngineConfig),
    ("docs/steward.md", "[hub]", config.Hub),
    ("docs/steward.md", "[[projects]]", config.Project),
    ("docs/steward.md", "[rules.dp]", Dp),
    ("docs/steward.md", "[code]", PrefixCode),
    ("docs/steward.md", "[meter]", config.MeterPolicy),
    ("docs/steward.md", "[broker]", config.BrokerPolicy),
    ("docs/steward.md", "[session]", config.SessionPolicy),
    ("docs/steward.md", "[held]", config.HeldPolicy),
    ("docs/administrator.md", "hub.toml", settings.HubSettings),
    ("docs/administrator.md", "[sign_in], local", settings.LocalSignIn),
    ("docs/administrator.md", "[sign_in], OpenID Connect", settings.OidcSignIn),
    ("docs/administrator.md", "[review.ID]", settings.Review),
    ("docs/administrator.md", "[projects.ID]", projects.Project),
    ("docs/administrator.md", "[sites.ID]", projects.Site),
]
NOT_WRITTEN = {settings.HubSettings: {"folder"}}
"""Fields that are filled in when a file is read, and are no keys of it."""
WORDS = {"none": None, "all": None, "below": "a section"}


def default_of(field: Any) -> Any:
    """A field's default as TOML would give it; Ellipsis where there is none."""
    if field.default is PydanticUndefined:
        return ...
    value = field.default
    return "a section" if isinstance(value, BaseModel) else list(value) if isinstance(value, tuple) else value


def written(cell: str) -> Any:
    """The default that a table's cell says."""
    if cell == "*required*":
        return ...
    return WORDS[cell] if cell in WORDS else json.loads(cell.strip("`"))


def check_settings(text: str, model: type[BaseModel], where: str) -> None:
    said = {name: cells for cells in rows(text) if len(cells) == 3 for name in re.findall(r"^`([^`]+)`$", cells[0])}
    keys = set(model.model_fields) - NOT_WRITTEN.get(model, set())
    assert set(said) == keys, f"{where}: undocumented {sorted(keys - set(said))}, unknown {sorted(set(said) - keys)}"
    for name, cells in said.items():
        assert written(cells[1]) == default_of(model.model_fields[name]), f"{where}: default of {name}"
        assert cells[2], f"{where}: {name} has no meaning"


@pytest.mark.parametrize(("page", "heading", "model"), SETTINGS, ids=[heading for _, heading, _ in SETTINGS])
def test_every_setting_is_documented_with_its_default(page: str, heading: str, model: type[BaseModel]) -> None:
    """A key without a line, a line without a key, or another default than the code's."""
    check_settings(section(page, heading), model, f"{page} {heading}")


def test_both_review_sections_are_documented_where_they_belong() -> None:
    """site.toml and policy.toml each have a section [review]."""
    first, second = PAGES["docs/steward.md"].split("## policy.toml")
    pattern = r"^### \[review\]$(.*?)^##"
    for text, model in ((first + "\n##", config.ReviewAddress), (second, config.ReviewPolicy)):
        found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
        assert found
        check_settings(found[1], model, model.__name__)


def test_every_rule_and_preset_is_documented() -> None:
    """[rules] has a table of presets and a table of keys."""
    text = section("docs/steward.md", "[rules]")
    check_settings(text, Rules, "[rules]")
    said = {cells[0].strip("`"): cells[1:5] for cells in rows(text) if len(cells) == 6}
    assert said == {name: [str(p["threshold"]), str(p["base"]), p["zeros"], str(p["interval"])] for name, p in PRESETS.items()}


def test_every_section_of_the_policy_is_documented() -> None:
    """The steward's page has a heading for each, and the drafted file has each."""
    for name in config.Policy.model_fields:
        assert f"### [{name}]\n" in PAGES["docs/steward.md"].split("## policy.toml")[1]
        assert f"[{name}]" in POLICY


def test_every_role_of_a_column_is_documented() -> None:
    assert names(section("docs/steward.md", "catalogue.toml")) == [str(role) for role in Role]


def test_the_way_of_a_request_is_drawn_from_its_table() -> None:
    assert ("mermaid", mermaid()) in list(blocks("docs/reviewer.md"))


def test_the_roles_of_people_are_documented() -> None:
    roles = get_args(settings.OidcSignIn.model_fields["roles"].annotation)[1]
    assert set(names(section("docs/administrator.md", "Roles"))) == set(get_args(roles))


# ---------------------------------------------------------------- commands


def commands() -> dict[str, click.Command]:
    """Every command by its words: ``twinpane site init``."""

    def below(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for name, sub in command.commands.items():
                yield from below(sub, f"{words} {name}")
        else:
            yield words, command

    return {words: command for name, subcommand in COMMANDS.items() for words, command in below(subcommand.load(), f"twinpane {name}")}


ALL = commands()


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}


@pytest.mark.parametrize("words", sorted(ALL))
def test_every_command_and_option_is_documented(words: str) -> None:
    """docs/commands.md has a heading with the command's arguments, and a row for each of its options."""
    command = ALL[words]
    arguments = [parameter.make_metavar(click.Context(command)) for parameter in command.params if isinstance(parameter, click.Argument)]
    text = section("docs/commands.md", " ".join([words, *arguments]))
    listed = {name for cells in rows(text) for name in re.findall(r"`(-[^`]+)`", cells[0])}
    assert listed == options(command)


def test_no_command_is_documented_that_does_not_exist() -> None:
    headings = re.findall(r"^## (twinpane .+)$", PAGES["docs/commands.md"], re.MULTILINE)
    assert sorted(re.sub(r"( \[?[A-Z]+\]?)+$", "", heading) for heading in headings) == sorted(ALL)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_commands_that_a_page_names_exist_with_their_options(page: str) -> None:
    """Wherever a page says ``twinpane …``: a command with options it has, or a group by its name alone."""
    groups = {" ".join(words.split()[:n]) for words in ALL for n in range(1, len(words.split()))}
    for line in shell_lines(page):
        words = line.split("#")[0].replace('"', " ").split()
        if "twinpane" not in words:
            continue
        words = words[words.index("twinpane") :]
        name = next((" ".join(words[:n]) for n in range(4, 1, -1) if " ".join(words[:n]) in ALL), None)
        if name is None:
            assert " ".join(words) in groups | {"twinpane --version"}, f"{page}: {line}"
            continue
        for option in (word for word in words if re.fullmatch(r"--?[a-z][\w-]*", word)):
            assert option in options(ALL[name]) | {"--help"}, f"{page}: {name} has no option {option}"


def test_the_help_of_the_one_command_lists_all_subcommands() -> None:
    from click.testing import CliRunner

    told = CliRunner().invoke(main, ["--help"]).output
    assert all(f"  {name} " in told for name in COMMANDS)


# ---------------------------------------------------------------- what a notebook imports


def test_the_examples_of_questions_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every block of Python in the page, from top to bottom, against three hospitals that answer any plan."""
    import tp_sites

    from twinpane import _host

    monkeypatch.setattr(_host, "call", tp_sites.answer)
    monkeypatch.chdir(tmp_path)
    world: dict[str, Any] = {}
    for language, content in blocks("docs/questions.md"):
        assert language == "python"
        exec(content, world)


def test_the_brokers_example_runs_and_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The first block of the library's page shows the call, the second is whole, the text below it is what it prints."""
    from twinpane_broker.errors import Refused

    _, (_, example), (language, printed) = list(blocks("docs/broker.md"))[:3]
    assert language == "text"
    with pytest.raises(Refused, match="max"):
        exec(example, {})
    assert capsys.readouterr().out == printed


def test_every_tp_function_is_documented() -> None:
    for name in tp.__all__:
        assert f"tp.{name}" in RESEARCHER, name


def test_each_step_of_a_question_and_each_view_is_documented() -> None:
    """Every step of a question and every view of a table is documented."""
    for kind in (Question, Result):
        for name, _ in inspect.getmembers(kind):
            if not name.startswith("_") and name not in ("of",):
                assert re.search(rf"[.`]{name}\b", RESEARCHER), f"{kind.__name__}.{name}"


def test_no_tp_function_is_documented_that_does_not_exist() -> None:
    for page, text in PAGES.items():
        for name in re.findall(r"\btp\.(\w+)", text):
            assert hasattr(tp, name), f"{page} names tp.{name}"


# ---------------------------------------------------------------- the glass


def test_the_table_of_crossings_is_the_one_in_the_code() -> None:
    """Kinds, in order, and what bounds each."""
    said = [(cells[0].strip("`"), cells[2]) for cells in rows(section("docs/architecture.md", "How the glass works"))]
    assert said == [(kind, bound) for kind, (_, bound) in CROSSINGS.items()]


def test_the_protocol_page_has_every_message() -> None:
    inward = [kind.model_fields["kind"].default for kind in get_args(get_args(Inward)[0])]
    assert sorted(names(section("docs/protocol.md", "Inwards: free, and closed all the same"))) == sorted(inward)
    outward = names(section("docs/protocol.md", "Outwards: the seven crossings"))
    assert outward == [*CROSSINGS, *(code.value for code in LinkCode)]
    closing = [int(cells[0]) for cells in rows(section("docs/protocol.md", "Who joins how"))]
    assert closing == sorted(int(code) for code in Closing)


def test_every_kind_of_the_ledger_is_documented() -> None:
    assert sorted(names(section("docs/steward.md", "The ledger"))) == sorted(kind.value for kind in LedgerEvent)


def test_the_prices_that_are_documented_are_the_codes() -> None:
    """Each line of the worked example is computed again."""
    example = next(content for language, content in blocks("docs/architecture.md") if "verdict_bits" in content)
    world: dict[str, Any] = {}
    lines = [line for line in example.splitlines() if line.strip()]
    exec("\n".join(line for line in lines if "#" not in line), world)
    priced = [line.split("#") for line in lines if "#" in line]
    assert len(priced) >= 5
    for call, said in priced:
        assert f"{eval(call, world):.2f}" == re.match(r" ([\d.]+)", said)[1], call  # type: ignore[index]
    assert f"log2({len(FAILURES)} classes)" in example


def test_the_morning_that_is_documented_adds_up() -> None:
    """40 same, 18 differ, 2 fail on ten lines, 5 reveals of three digits, all at tick 4."""
    code = PrefixCode()
    prices = [code.verdict_bits(outcome, 4, 10) for outcome in (Outcome.same, Outcome.differs, Outcome.failed)] + [code.reveal_bits(3, 4)]
    said = re.search(r"((?:\d+ × [\d.]+(?: \+ )?){4}) = (\d+) bits", ARCHITECTURE.replace("\n", " "))
    assert said
    terms = [(int(count), float(price)) for count, price in re.findall(r"(\d+) × ([\d.]+)", said[1])]
    assert [price for _, price in terms] == [round(price, 2) for price in prices]
    assert round(sum(count * price for (count, _), price in zip(terms, prices, strict=True))) == int(said[2])
    assert code.tick_ms(4) == 1600


# ---------------------------------------------------------------- the mission

PHRASES = (
    "JupyterHub deployment", "sandboxed kernels", "each site's enclave", "output filter", "egress-review extension", "researchers",
    "reviewers", "administrators", "hub admins", "site stewards",
)  # fmt: skip
TOOLS = ("jupyterhub", "ipywidgets", "pandas", "duckdb", "matplotlib", "nbconvert", "oauthenticator")


def test_each_phrase_and_tool_of_the_mission_is_somewhere() -> None:
    """Each phrase of the mission and each tool has its place and its test."""
    page = rows(PAGES["docs/mission.md"])
    for phrase in (*PHRASES, *TOOLS):
        assert [cells for cells in page if phrase in cells[0]], f"docs/mission.md does not say where {phrase} is"
    for cells in page:
        assert "`" in cells[1], f"{cells[0]} is nowhere"
        assert "`tests/" in cells[2], f"{cells[0]} is not tried"


# ---------------------------------------------------------------- paths, targets, links

TOP = tuple(f"{name}/" for name in ("kernels", "hub_config", "extensions", "notebooks", "tests", "docker", "docs"))


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/moved.md"}))
def test_paths_that_a_page_names_exist(page: str) -> None:
    for name in re.findall(r"`([^`\s]+)`", prose(page)):
        if name.startswith(TOP):
            assert (ROOT / name).exists(), f"{page} names {name}"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    """Relative links name a file, and their anchors a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (ROOT / page).parent / file if file else ROOT / page
        assert place.exists(), f"{page} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, f"{page} links to {target}"


def test_the_house_that_is_documented_is_the_one_on_the_disk() -> None:
    """The tree lists every package, and nothing else."""
    tree = next(content for language, content in blocks("docs/architecture.md") if content.startswith("hub_config/"))
    said = set(re.findall(r"\b(twinpane\w*)/", tree))
    folders = [ROOT / name for name in ("kernels", "hub_config", "extensions")]
    assert said == {path.name for folder in folders for path in folder.glob("twinpane*") if path.is_dir()}
    assert all((ROOT / name).is_dir() for name in re.findall(r"^(\w+)/", tree, re.MULTILINE))


@pytest.mark.parametrize("page", sorted(PAGES))
def test_make_targets_and_variables_that_a_page_names_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for line in shell_lines(page):
        if found := re.match(r"make ([a-z]+)((?: [A-Z]+=\S+)*)", line):
            assert found[1] in targets, f"{page}: {line}"
            for variable in re.findall(r"([A-Z]+)=", found[2]):
                assert re.search(rf"^{variable} \?=", makefile, re.MULTILINE), f"{page}: {line}"


def test_every_make_target_is_in_the_readme() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony
    for target in phony[1].split():
        assert f"make {target}" in README, target


@pytest.mark.parametrize("page", sorted(PAGES))
def test_environment_variables_on_a_page_are_read_somewhere(page: str) -> None:
    """Environment variables that a page names are read somewhere."""
    code = "".join(path.read_text("utf-8") for folder in ("kernels", "hub_config", "extensions") for path in (ROOT / folder).rglob("*.py"))
    for name in set(re.findall(r"\b(TWINPANE_[A-Z_]+|OAUTH_[A-Z_]+)\b", PAGES[page])):
        assert f'"{name}"' in code, f"{page} names {name}"


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len(README.split()) <= 1200


def test_the_changelog_has_its_open_heading_first() -> None:
    assert re.findall(r"^## .+$", PAGES["CHANGELOG.md"], re.MULTILINE)[0] == "## [Unreleased]"


# ---------------------------------------------------------------- containers


def test_the_containers_run_without_root() -> None:
    """The containers run without root, and with only the rights that they need."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))
    explained = PAGES["docker/README.md"]
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"] == "1000:1000", name
        assert "privileged" not in service, name
        assert "no-new-privileges:true" in service["security_opt"], name
        lifted = [option for option in service["security_opt"] if "unconfined" in option]
        assert all(f"| `{option}` |" in explained for option in lifted), name
        dockerfile = ROOT / service["build"]["dockerfile"]
        text = dockerfile.read_text("utf-8")
        assert re.search(r"^USER twinpane$", text, re.MULTILINE), name
        for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
            assert all((ROOT / part).exists() for part in source.split()), f"{dockerfile.name}: {source}"
        words = json.loads(re.search(r"^CMD (\[.+\])$", text, re.MULTILINE)[1])  # type: ignore[index]
        assert " ".join(words[:3]) in ALL, name


def test_the_hub_takes_the_settings_of_the_containers(tmp_path: Path) -> None:
    """The hub accepts the settings that are shipped for the containers."""
    loaded = settings.load(ROOT / "docker" / "hub.toml")
    directory = projects.load(ROOT / "docker" / "network.toml")
    assert set(loaded.review) <= set(directory.sites)
    assert loaded.notebooks == "/opt/twinpane/notebooks"


def test_where_old_files_went_is_where_they_are() -> None:
    """For who reads older papers: what a row names as new is there, and no old file is there still."""
    rows = re.findall(r"(?m)^\| `([\w/.]+\.py)` \| (.*) \|$", (ROOT / "docs" / "moved.md").read_text())
    assert len(rows) > 150
    for old, new in rows:
        assert not (ROOT / old).exists(), f"{old} is still there"
        for path in re.findall(r"`((?:kernels|hub_config|extensions|tests)/[\w/.]+)`", new):
            assert (ROOT / path).exists(), f"{path} of {old} is not there"


def test_each_behaviour_is_decided_in_three_files_at_most() -> None:
    """The table of where to read names files that are there, with functions and classes that they have."""
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where to read")[2]
    rows = re.findall(r"(?m)^\| ([^|]+) \| (.*) \|$", table)[1:]
    assert len(rows) >= 15
    for behaviour, files in rows:
        named = re.findall(r"`((?:kernels|extensions)/[\w/.]+)`", files.partition(". One of more")[0])
        assert 1 <= len(named) <= 3, behaviour
        assert all((ROOT / path).exists() for path in named), behaviour
        for path, words in re.findall(r"`((?:kernels|extensions)/[\w/.]+\.py)` \(([^;|]*)\)", files):
            for name in re.findall(r"`([A-Za-z_]\w*(?:\.\w+)?)`", words):
                assert re.search(rf"\b{name.rpartition('.')[2]}\b", (ROOT / path).read_text()), f"{path} has no {name}"


@pytest.mark.parametrize("page", ["docs/disclosure.md", "docs/memory.md"])
def test_modules_that_the_brokers_pages_name_exist(page: str) -> None:
    """Their tables name modules below the broker, or below its memory."""
    broker = ROOT / "kernels" / "twinpane_broker"
    for name in re.findall(r"`([\w/]+\.py)`", prose(page)):
        assert any((place / name).exists() for place in (ROOT, broker, broker / "memory")), f"{page} names {name}"
