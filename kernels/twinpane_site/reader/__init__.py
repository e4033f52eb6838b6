"""The reader: a process of its own for each session, the only one that reads what an inside kernel says.

A kernel's frames, its ``tp`` calls and its own stdout are hostile input. The reader takes them in, in an empty sandbox with its own limits.
It gives the agent a digest, an outcome, the numbers that were asked for, and bytes to hold. ``reports`` defines all that it may say. An
attack on a reader harms only its own session, which then has a dead kernel.
"""

READER_MODULE = "twinpane_site.reader.main"
"""What the fork server forks a reader from."""
