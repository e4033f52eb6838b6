"""The twin of several sites: persons apportioned, every site drawn from its own catalogue, the parts laid under each other."""

from collections.abc import Sequence

import pyarrow as pa

from twinpane_broker import Catalogue

from .site_tables import draw_site, schema


def make(catalogues: Sequence[Catalogue], persons: int, seed: int) -> dict[str, pa.Table]:
    """The twin's tables; see ``twinpane_kernel.twin.make_twin``."""
    sites = sorted(catalogues, key=lambda c: c.site)
    if not sites:
        raise ValueError("a twin is made from at least one site's catalogue, and none was given")
    if len({c.site for c in sites}) < len(sites):
        raise ValueError("a site is named twice among the catalogues that the twin is to be made from")
    if persons < 1:
        raise ValueError("a twin needs at least one person")
    schemas = joint_schemas(sites)
    parts: dict[str, list[pa.Table]] = {name: [] for name in schemas}
    offsets: dict[str, int] = {}
    before = 0
    for catalogue, count in zip(sites, apportion(persons, [c.persons for c in sites]), strict=True):
        for name, table in draw_site(catalogue, count, before, offsets, seed).items():
            parts[name].append(_fitted(table, schemas[name]))
            offsets[name] = offsets.get(name, 0) + len(table)
        before += count
    return {name: pa.concat_tables(tables).combine_chunks() for name, tables in parts.items()}


def apportion(seats: int, sizes: Sequence[int]) -> list[int]:
    """``seats`` in proportion to the sizes, by the largest remainder, at least one for each as far as they go."""
    sizes = sizes if any(sizes) else [1] * len(sizes)
    total, least = sum(sizes), 1 if seats >= len(sizes) else 0
    free = seats - least * len(sizes)
    shares = [least + free * size // total for size in sizes]
    remainders = sorted(range(len(sizes)), key=lambda i: (-(free * sizes[i] % total), i))
    for i in remainders[: seats - sum(shares)]:
        shares[i] += 1
    return shares


def joint_schemas(catalogues: Sequence[Catalogue]) -> dict[str, pa.Schema]:
    """Every table's columns over all sites, in the order they are first met; whole numbers at one site and not at another are doubles."""
    joint: dict[str, dict[str, pa.DataType]] = {}
    for catalogue in catalogues:
        for table in catalogue.published.tables:
            columns = joint.setdefault(table.name, {})
            for field in schema(table):
                known = columns.setdefault(field.name, field.type)
                if {known, field.type} == {pa.int64(), pa.float64()}:
                    columns[field.name] = pa.float64()
    return {name: pa.schema(list(columns.items())) for name, columns in joint.items()}


def _fitted(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The table in the joint schema; a column it lacks, or has in another kind of type, is null."""

    def column(field: pa.Field) -> pa.Array | pa.ChunkedArray:
        there = table.schema.field(field.name).type if field.name in table.column_names else None
        if there == field.type or (there == pa.int64() and field.type == pa.float64()):
            return table[field.name].cast(field.type)
        return pa.nulls(len(table), field.type)

    return pa.table([column(field) for field in wanted], schema=wanted)
