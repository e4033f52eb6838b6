"""The first site.toml and policy.toml: usable at once, and written to be read by the steward who edits them."""

from collections.abc import Sequence

import tomlkit

from .config import Project

_SITE = """\
# This site, in the steward's hands. After a change: restart `twinpane site serve`.

id = {id}                      # how the hub and notebooks name this site
title = {title}                # what people read
source = {source}              # a folder with one Parquet or CSV file per table, or a DuckDB file; relative paths start at this folder
person_key = {person_key}      # the column that tells persons apart; every table has it

[hub]                          # the outside; this site dials it, nothing dials in
url = {hub}

[review]                       # the pages where this site's reviewers decide on exports
host = {host}                  # the address they listen on
port = {port}
public_url = {public_url}      # how reviewers' browsers reach them
sign_in = {sign_in}            # whose accounts reviewers sign in with: "site", or "hub" too; stewards use the site's alone

# Projects that this site accepts by hand, each with its members by their names at the hub. An edit counts from the next start on. What the
# hub proposes is accepted at the pages. Whoever is accepted nowhere gets nothing.
# `tables` narrows a project to some tables of catalogue.toml; without it, it has all. Hidden columns do not exist for any project.
#
# [[projects]]
# id = "heart-failure"
# members = ["researcher"]
# tables = ["person", "measurement"]
"""

POLICY = """\
# What may leave this site. Nothing here is guessed: an unknown key, or rules without a threshold, and the site does not start.

[rules]                        # for answers of the broker
preset = "10-5"                # 10-5, cms-11, all-of-us-20, omop-5 or own; single keys below change a preset's numbers
threshold = 10                 # persons, at least, in a cell and in what it leaves out; smaller cells are suppressed
base = 5                       # counts are rounded to multiples of this
sets_percent = 8               # sets of persons by which one attribute is told at most, for every hundred persons of the site
withheld_per_day = 20          # answers that the data may withhold from a project in a day; `twinpane policy explain` tells of all rules

[code]                         # prices of verdicts: -log2 of these; published beside the catalogue
same = 0.9
differs = 0.08
failed = 0.02
first_tick_ms = 100            # verdicts leave at 0.1, 0.2, 0.4 ... seconds
ticks = 24

[meter]                        # bits that verdicts and reveals may let out, per user and project; 0 lets none out
day_bits = 1024.0              # an ordinary cell costs about 1 to 6 bits, a number of 3 digits about 20
total_bits = 16384.0

[review]                       # who decides on exports, by their names at the hub
reviewers = {reviewers}
quorum = 2                     # reviewers who have to agree; never the author
open_per_author = 20           # requests that may wait at a time; more are turned down at once

[broker]
first_reply_ms = 25            # answers leave at 25, 50, 100 ... milliseconds

[session]                      # what one session may use
memory_mb = 4096
project_mb = 2048              # files below /project, per user and project
volume = "memory"              # how that is kept: "memory", "image" (root only), or "folder", which is not kept at all
accept_unlimited_project = false   # your word that a "folder" may fill the disk
processors = 0                 # of one kernel; 0: as many as there are
reserve_processor = true       # keep kernels off one processor, where there are two and more
processes = 256
idle_minutes = 240
max_cells = 10000
max_sessions = 16              # at the same time
max_sessions_per_user = 6      # one more ends the one that was silent for longest
inbox_mb = 512                 # messages kept of one user in one project; those of closed sessions make room
inbox_site_mb = 2048           # of all; held outputs leave room for it

[held]                         # outputs that wait for reviewers
cell_mb = 64
session_mb = 1024
member_mb = 4096
store_mb = 16384
keep_free_mb = 512             # of the disk, never used by held outputs nor by items for review
days = 90                      # then they are deleted
ended_days = 30                # after a project's end, what it left inside is deleted
"""


def site_toml(
    *, id: str, title: str, source: str, person_key: str, hub: str, host: str, port: int, public_url: str, sign_in: str = "site",
    projects: Sequence[Project] = (),
) -> str:  # fmt: skip
    """The text of a site.toml."""
    values: dict[str, str | int] = {"id": id, "title": title, "source": source, "person_key": person_key, "hub": hub}
    values |= {"host": host, "port": port, "public_url": public_url, "sign_in": sign_in}
    text = _SITE.format(**{key: tomlkit.item(value).as_string() for key, value in values.items()})
    for project in projects:
        given = project.model_dump(mode="json", exclude_none=True)
        text += "\n[[projects]]\n" + "".join(f"{key} = {tomlkit.item(value).as_string()}\n" for key, value in given.items())
    return text


def policy_toml(reviewers: Sequence[str] = ()) -> str:
    """The text of a policy.toml: the design's defaults, written out."""
    return POLICY.format(reviewers=tomlkit.item(list(reviewers)).as_string())
