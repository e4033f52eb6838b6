"""The demo's ports: the requested one for people, and free ones after it for the rest. Every start uses the same ports again."""

from twinpane_ground.ports import is_free

NAMES = ("hub", "proxy", "switchboard")


def choose(port: int, sites: tuple[str, ...], before: dict[str, int]) -> dict[str, int]:
    """A port each for hub, proxy, switchboard and the sites' review pages: the previous one if it is free, else the next free one."""
    wanted = (*NAMES, *sites)
    chosen = {name: before[name] for name in wanted if name in before and before[name] != port and is_free(before[name])}
    taken = {port, *chosen.values()}
    for offset, name in enumerate(wanted, start=1):
        if name in chosen:
            continue
        candidates = (*range(port + offset, min(port + 400, 65536)), *range(20000, 20400))
        found = next((p for p in candidates if p not in taken and is_free(p)), None)
        if found is None:
            raise OSError("no free port was found for the demo's parts")
        chosen[name] = found
        taken.add(found)
    return {name: chosen[name] for name in wanted}
