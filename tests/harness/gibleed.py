"""The folder of GiBleed, a public OMOP data set of 2,694 persons. Its README names the source."""

from pathlib import Path

GIBLEED = Path(__file__).resolve().parents[1] / "data" / "gibleed"
