"""What the steward decides, as types: site.toml (who and where), policy.toml (what may leave). Unknown keys and guesses are refused."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker import Catalogue, Closed, Identifier, PolicyError, Rules, SiteId, preset_and_own
from twinpane_ground import strict_toml
from twinpane_sandbox.limits import MIB, Limits
from twinpane_wire.address import is_loopback, switchboard_url
from twinpane_wire.messages import ProjectId, UserName
from twinpane_wire.prefix_code import PrefixCode

from .catalogue_toml import load_catalogue
from .errors import ConfigError
from .held import HeldLimits
from .meter import Budget
from .volume import Quota

SITE_FILE = "site.toml"
POLICY_FILE = "policy.toml"
CATALOGUE_FILE = "catalogue.toml"
KEYS = "keys"
VOCABULARIES = "vocabularies"

Destination = Annotated[str, StringConstraints(pattern=r"^(file|unix|syslog):/[^\s]{1,250}$")]
"""A place of this machine: a hub cannot be one."""
OwnAddress = Annotated[str, StringConstraints(pattern=r"^(unix:/[^\s]{1,100}|(127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4})$")]
"""A unix socket, or a port that no other machine reaches."""
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]


class Hub(Closed):
    """The outside that the agent dials: the hub's address."""

    url: Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s/]+(/[^\s]*)?$")]

    @property
    def socket_url(self) -> str:
        """The address of the hub's switchboard; one that begins with ws:// or wss:// is taken as it is."""
        return switchboard_url(self.url)


class ReviewAddress(Closed):
    """Where the review pages listen, and the address that reviewers' browsers use."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    public_url: Url
    sign_in: Literal["site", "hub"] = "site"
    """Whose accounts reviewers sign in with: the site's own, or the hub's too. Stewards sign in with the site's alone."""
    plain_http: bool = False
    """The steward's word that ``public_url`` may be ``http://`` on the network: others there can then read passwords and real items."""

    @model_validator(mode="after")
    def _read_by_nobody_between(self) -> Self:
        parts = urlsplit(self.public_url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.plain_http:
            raise ValueError(
                "public_url must be https://: passwords and patients' data go there. Put a TLS proxy before the pages; for a trial where "
                "anybody may listen, add plain_http = true"
            )
        return self


class Project(Closed):
    """A project that this site accepted."""

    id: ProjectId
    members: tuple[UserName, ...]
    """Who may open sessions here, by their names at the hub."""
    tables: tuple[Identifier, ...] | None = None
    """The approved tables; None: all of the catalogue. Approved columns are those the catalogue does not hide."""

    def admits(self, user: str) -> bool:
        """Whether this user may work with this site's data."""
        return user in self.members

    def sees_as(self, other: "Project") -> bool:
        """Whether both see the same data."""
        return self.tables == other.tables


class EngineConfig(Closed):
    """[engine]: what computes answers. DuckDB on this machine, unless the data outgrows it."""

    kind: Literal["duckdb", "postgresql", "spark"] = "duckdb"
    prepare: Annotated[str, StringConstraints(max_length=1000)] = ""
    """Of PostgreSQL: the connection of a role that may read the source's tables and create a schema, as libpq writes it."""
    ask: Annotated[str, StringConstraints(max_length=1000)] = ""
    """Of PostgreSQL: the connection of a role that may do nothing; it is let read what ``prepare`` made."""
    tables: Identifier = "cdm"
    """Of PostgreSQL: the schema of the source's tables. They hold what ``source`` holds, and stand still while the snapshot is frozen."""
    cores: Annotated[int, Field(ge=1, le=1024)] = 2
    """Of Spark in local mode."""

    @model_validator(mode="after")
    def _roles_of_postgresql(self) -> Self:
        if self.kind == "postgresql" and not (self.prepare and self.ask):
            raise ValueError("PostgreSQL needs two connections: prepare (reads the tables, creates a schema) and ask (may do nothing)")
        return self


class SiteConfig(Closed):
    """site.toml."""

    id: SiteId
    title: Annotated[str, StringConstraints(max_length=300)] = ""
    source: Annotated[str, StringConstraints(min_length=1)]
    """A folder with one Parquet or CSV file per table, or a DuckDB file; relative paths start at the site's folder."""
    person_key: Identifier = "person_id"
    vocabulary: Annotated[str, StringConstraints(max_length=1000)] = ""
    """A folder with OMOP's ``concept_ancestor.parquet`` (and ``concept.parquet``), or with these in another form; ``source`` by default."""
    engine: EngineConfig = EngineConfig()
    hub: Hub | None = None
    review: ReviewAddress | None = None
    users_from: Annotated[int, Field(ge=0, le=2_146_000_000)] = 1_901_000_000
    """First of a million numbers for the Linux users that kernels run under, one for each member of a project, where the agent is root: no
    account of the machine may have one. 0: kernels run as root, in the sandbox alone."""
    log_format: Literal["text", "json"] = "text"
    """How the agent and its parts write their logs to standard error."""
    events: tuple[Destination, ...] = ()
    """Where the ledger's events are fed to, without values: ``file:``, ``unix:`` or ``syslog:`` and an absolute path."""
    metrics: OwnAddress | None = None
    """Where Prometheus finds the site's numbers: ``unix:`` and a path, or a loopback address and port."""
    projects: tuple[Project, ...] = ()

    @model_validator(mode="after")
    def _one_project_of_a_name(self) -> Self:
        names = [project.id for project in self.projects]
        if len(set(names)) != len(names):
            raise ValueError("a project is listed twice")
        return self

    def project(self, name: str) -> Project | None:
        """The accepted project of that name, None where the site has not accepted it."""
        return next((project for project in self.projects if project.id == name), None)

    def admits(self, user: str, project: str) -> bool:
        """Whether the site accepted this project and this user in it."""
        found = self.project(project)
        return found is not None and found.admits(user)


class MeterPolicy(Closed):
    """[meter]: bits per user and project that verdicts and reveals may let out. 0 is a choice too."""

    day_bits: Annotated[float, Field(ge=0)] = 1024
    total_bits: Annotated[float, Field(ge=0)] = 16384

    @property
    def budget(self) -> Budget:
        """The limits of the meter."""
        return Budget(self.day_bits, self.total_bits)


class ReviewPolicy(Closed):
    """[review]: who decides on exports, and how many of them have to agree."""

    reviewers: tuple[UserName, ...] = ()
    quorum: Annotated[int, Field(ge=1, le=20)] = 2
    open_per_author: Annotated[int, Field(ge=1, le=1000)] = 20
    """Requests of one author that may wait at a time."""

    @model_validator(mode="after")
    def _nobody_twice(self) -> Self:
        if len(set(self.reviewers)) != len(self.reviewers):
            raise ValueError("a reviewer is listed twice")
        return self


class BrokerPolicy(Closed):
    """[broker]: when answers leave. Like verdicts, they wait for the next tick of a grid that doubles."""

    first_reply_ms: Annotated[int, Field(ge=1, le=60_000)] = 25


class SessionPolicy(Closed):
    """[session]: what one session may use."""

    memory_mb: Annotated[int, Field(ge=256)] = 4096
    project_mb: Annotated[int, Field(ge=1)] = 2048
    """Of files below /project, per user and project."""
    volume: Literal["memory", "image", "folder"] = "memory"
    """How that size is kept: in memory while sessions are open; in an image on the disk (root only); or, as a plain folder, not at all."""
    accept_unlimited_project: bool = False
    """The steward's word that a plain folder may fill the disk."""
    processors: Annotated[float, Field(ge=0, le=1024)] = 0
    """Of an inside kernel, where control groups can be made; 0: as many as there are."""
    reserve_processor: bool = True
    """Keep inside kernels off one processor, where there are two and more, so that the agent has one that they cannot slow down."""
    processes: Annotated[int, Field(ge=8)] = 256
    idle_minutes: Annotated[int, Field(ge=1)] = 240
    max_cells: Annotated[int, Field(ge=1, le=10**7)] = 10_000
    max_sessions_per_user: Annotated[int, Field(ge=1)] = 6
    """At the same time, per user and project; one more ends the one that was silent for longest."""
    max_sessions: Annotated[int, Field(ge=1)] = 16
    """At the same time, at this site."""
    inbox_mb: Annotated[int, Field(ge=1)] = 512
    """Of messages kept here of one user in one project, over all sessions. Those of closed sessions make room."""
    inbox_site_mb: Annotated[int, Field(ge=1)] = 2048
    """Of messages kept here of all. Stores that hold what inside kernels say leave that much of the disk."""

    @model_validator(mode="after")
    def _unlimited_only_by_word(self) -> Self:
        if self.volume == "folder" and not self.accept_unlimited_project:
            raise ValueError(
                'volume = "folder" has no limit: one cell can fill the disk that the ledger lies on. Choose "memory" or "image", or add '
                "accept_unlimited_project = true"
            )
        return self

    @property
    def limits(self) -> Limits:
        """What one inside kernel may use."""
        return Limits(
            memory=self.memory_mb * MIB, processes=self.processes, cpus=self.processors or None, spare_processor=self.reserve_processor
        )

    @property
    def quota(self) -> Quota:
        """How /project is kept within its size."""
        return Quota(self.volume, self.project_mb * MIB)


class HeldPolicy(Closed):
    """[held]: sizes of the held store, and how long things stay there."""

    cell_mb: Annotated[int, Field(ge=1)] = 64
    session_mb: Annotated[int, Field(ge=1)] = 1024
    member_mb: Annotated[int, Field(ge=1)] = 4096
    """Of one member in one project: nobody's outputs take the room of others'."""
    store_mb: Annotated[int, Field(ge=1)] = 16384
    keep_free_mb: Annotated[int, Field(ge=0)] = 512
    days: Annotated[int, Field(ge=1)] = 90
    ended_days: Annotated[int, Field(ge=1)] = 30
    """After a project's end, when what it left inside is deleted."""

    @property
    def limits(self) -> HeldLimits:
        """The same in bytes."""
        mb = 2**20
        return HeldLimits(self.cell_mb * mb, self.session_mb * mb, self.member_mb * mb, self.store_mb * mb, self.keep_free_mb * mb)


class Policy(Closed):
    """policy.toml. ``[rules]`` has to be there; every other section has the defaults of the design."""

    rules: Rules
    code: PrefixCode = PrefixCode()
    meter: MeterPolicy = MeterPolicy()
    review: ReviewPolicy = ReviewPolicy()
    broker: BrokerPolicy = BrokerPolicy()
    session: SessionPolicy = SessionPolicy()
    held: HeldPolicy = HeldPolicy()


@dataclass(frozen=True)
class Site:
    """A site folder, read and checked."""

    folder: Path
    config: SiteConfig
    policy: Policy
    catalogue: Catalogue

    @property
    def source(self) -> Path:
        """The data, as an absolute path."""
        return (self.folder / self.config.source).resolve()

    @property
    def vocabulary(self) -> Path:
        """The folder of the vocabulary's tables; it may lack them."""
        read = vocabulary_folder(self.folder, self.config, self.catalogue.snapshot)
        return read if read.is_dir() else vocabulary_given(self.folder, self.config)


def vocabulary_given(folder: Path, config: SiteConfig) -> Path:
    """Where the steward says that the vocabulary's tables lie, as an absolute path."""
    return (folder / (config.vocabulary or config.source)).resolve()


def vocabulary_folder(folder: Path, config: SiteConfig, snapshot: str) -> Path:
    """Where a vocabulary is kept that did not come as the Parquet files which the broker reads; see ``vocabulary_files``."""
    told = hashlib.sha256(str(vocabulary_given(folder, config)).encode()).hexdigest()[:8]
    return folder / VOCABULARIES / f"{snapshot}-{told}"


def load_config(folder: Path) -> SiteConfig:
    """site.toml of a site folder; raises ConfigError."""
    return strict_toml.read(folder / SITE_FILE, SiteConfig, ConfigError)


def load_policy(folder: Path) -> Policy:
    """policy.toml of a site folder; raises ConfigError. Without a threshold there is no policy."""
    return read_policy(folder / POLICY_FILE)


def read_policy(path: Path) -> Policy:
    """A policy file, wherever it lies; raises ConfigError."""

    def with_preset(data: dict[str, Any]) -> dict[str, Any]:
        rules = data.get("rules")
        if rules is not None and not isinstance(rules, dict):
            raise ConfigError(f"{path}: `rules` is a section: write [rules].")
        try:
            return {**data, "rules": preset_and_own(rules, f"{path} [rules]")}
        except PolicyError as error:
            raise ConfigError(str(error)) from None

    return strict_toml.read(path, Policy, ConfigError, with_preset)


def load_site(folder: Path) -> Site:
    """All three files of a site folder, and whether they fit each other; raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a site folder. `twinpane site init {folder} --id ID --data PATH` makes one.")
    site = Site(folder, load_config(folder), load_policy(folder), load_catalogue(folder / CATALOGUE_FILE))
    if site.catalogue.site != site.config.id:
        raise ConfigError(f"{folder / CATALOGUE_FILE} is of site {site.catalogue.site}, {SITE_FILE} of {site.config.id}. Make them agree.")
    for project in site.config.projects:
        for table in project.tables or ():
            if site.catalogue.table(table) is None:
                raise ConfigError(f"{folder / SITE_FILE}: project {project.id} names table {table}, which the catalogue does not have.")
    return site


def project_catalogue(catalogue: Catalogue, project: Project) -> Catalogue:
    """What a project may know of: its approved tables, hidden columns left out altogether."""
    if project.tables is None:
        return catalogue.published
    return catalogue.model_copy(update={"tables": tuple(t for t in catalogue.tables if t.name in project.tables)}).published
