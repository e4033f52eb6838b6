"""Tiles of a plot, shaded by their number."""

from typing import Any


def tile(ax: Any, x: int, y: int, **look: Any) -> None:
    """Draw a square at a column and a row."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))


def without_number(ax: Any, x: int, y: int, said: str) -> None:
    """Write what the table says where there is no number and none is suppressed: a dash, ``see sites``."""
    ax.text(x, y, said, ha="center", va="center", fontsize=8, color="#555555")


def shade(name: str, part: float) -> tuple[float, ...]:
    """The colour at a position, 0 to 1, of the colour map ``name``."""
    import matplotlib as mpl

    return mpl.colormaps[name](min(1.0, max(0.0, part)))


def ink(shade: tuple[float, ...] | None) -> str:
    """Black or white, whichever can be read on the shade."""
    if shade is None:
        return "black"
    red, green, blue = ((c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for c in shade[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18 else "black"


def bare(ax: Any) -> None:
    """Remove the frame and the ticks."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
