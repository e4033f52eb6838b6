"""The numbers of the hub's own parts for Prometheus, beside JupyterHub's: sites, projects, crossings. How many, never what or who."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .network import from_sites
from .network.database import StoreError
from .network.overview import project_rows
from .network.store import NetworkStore
from .pages import online


class HubNumbers(Collector):
    """Reads the numbers when Prometheus asks. ``note``: the switchboard's note of who is online; ``shut_out``: who may not come in."""

    def __init__(self, directory: NetworkStore, note: Path, shut_out: Callable[[], frozenset[str]]) -> None:
        self._directory = directory
        self._note = note
        self._shut_out = shut_out

    def describe(self) -> Iterable[Metric]:
        """Called by the registry, which else would ask for the numbers to learn their names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        directory, here = self._directory(), online(self._note, time.time())
        try:
            heard = from_sites.read(self._directory.engine)
        except StoreError:
            heard = None
        answers = heard is not None and self._directory.problem is None
        yield GaugeMetricFamily("twinpane_store_up", "1 while the store of the network can be read.", value=answers)
        yield GaugeMetricFamily("twinpane_switchboard_up", "1 while the switchboard says who is online.", value=here is not None)
        sites = GaugeMetricFamily("twinpane_site_online", "1 for each site that is joined.", labels=["site"])
        for site in directory.sites if here is not None else ():
            sites.add_metric([site], site in (here or ()))
        yield sites
        yield GaugeMetricFamily("twinpane_people_shut_out", "People who are shut out.", value=len(self._shut_out()))
        if heard is None:
            return
        projects = GaugeMetricFamily("twinpane_projects", "Projects by how they stand.", labels=["state"])
        for words, number in Counter(row.words for row in project_rows(directory, heard, datetime.now(UTC).date())).items():
            projects.add_metric([words], number)
        yield projects
        crossings = CounterMetricFamily("twinpane_crossings", "Crossings that came from a site, by kind.", labels=["site", "crossing"])
        came: Counter[tuple[str, str]] = Counter()
        for (_, site, kind), number in heard.crossings.items():
            came[site, kind] += number
        for (site, kind), number in came.items():
            crossings.add_metric([site, kind], number)
        yield crossings
