"""``python -I -m twinpane_site …`` is ``twinpane site …``."""

from .cli import site

if __name__ == "__main__":
    site()
