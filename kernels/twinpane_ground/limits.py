"""Size limits of the link. A message beyond them is refused, whichever side sent it."""

FRAME = 24 * 2**20
"""Bytes of one WebSocket message, either way."""
SOURCE = 2**20
"""Characters of a cell."""
FILE = 8 * 2**20
"""Bytes of one pushed workspace file; larger ones stay outside and the strip says so."""
FILES = 64
"""Files pushed with one cell."""
ITEMS = 32
"""Items of one export request."""
PURPOSE = 4000
"""Characters of the purpose of an export request."""
CALLS = 10_000
"""``tp`` calls of one cell."""
NAME = 80
"""Characters of a reveal's name."""
DIGITS = 9
"""Significant digits of a reveal, at most."""
PEOPLE = 300
"""People of one project, each role counted."""
TABLES = 200
"""Tables that one project names."""
COLUMNS = 5000
"""Columns that one project names, over all its tables."""
