"""``twinpane data``: make the demo's data."""

from pathlib import Path
from time import perf_counter

import click

from .mixes import MIXES


@click.group()
def data() -> None:
    """Make data to try Twinpane with."""


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--persons", required=True, type=click.IntRange(1, 100_000_000), help="How many patients to generate.")
@click.option("--seed", required=True, type=click.IntRange(0, 2**32 - 1), help="The same number, seed and mix give the same bytes.")
@click.option("--mix", type=click.Choice(tuple(MIXES)), default="metro", show_default=True, help="Which hospital's population.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Write only this table (may be given several times).")
def make(folder: Path, persons: int, seed: int, mix: str, tables: tuple[str, ...]) -> None:
    """Generate patients as OMOP-shaped Parquet tables in DIR."""
    from .make import TABLES, make_data

    if unknown := set(tables) - set(TABLES):
        raise click.BadParameter(f"there is no table {sorted(unknown)[0]}; choose of {', '.join(TABLES)}.", param_hint="--table")

    began = perf_counter()
    with click.progressbar(length=persons, label=f"{persons:,} patients", show_pos=False) as bar:
        done = 0

        def advance(now: int) -> None:
            nonlocal done
            bar.update(now - done)
            done = now

        rows = make_data(folder, persons, seed, mix, advance, tables or TABLES)
    seconds = perf_counter() - began
    click.echo(f"{sum(rows.values()):,} rows in {len(rows)} tables in {folder}, {seconds:.1f} s, {persons / seconds:,.0f} patients/s")


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--sites", default=3, show_default=True, type=click.IntRange(1, 100), help="Over how many sites to split the people.")
def actg175(folder: Path, sites: int) -> None:
    """Split the ACTG 175 trial (2,139 real people) over DIR/site-1, DIR/site-2, …"""
    from .actg import make_actg175

    for site in make_actg175(folder, sites):
        click.echo(str(site))
