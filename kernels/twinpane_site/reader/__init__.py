"""The reader: a process of its own for each session, the only one that reads what an inside kernel says.

A kernel's frames, its ``tp`` calls and its own stdout are hostile input. The reader takes them in, in an empty world with bounds of its
own, and hands the agent a digest, an outcome, numbers that were asked for, and bytes to hold. ``reports`` is all that the two say to each
other. What happens to a reader happens to its own session, which then has a dead kernel.
"""

READER_MODULE = "twinpane_site.reader.main"
"""What the fork server forks a reader from."""
