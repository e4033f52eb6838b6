"""Where GiBleed lies, a public OMOP data set of 2,694 persons; its README says whence."""

from pathlib import Path

GIBLEED = Path(__file__).resolve().parents[1] / "data" / "gibleed"
