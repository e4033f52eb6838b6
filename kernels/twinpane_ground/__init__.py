"""What every package of ours stands on: files, databases, child processes and settings, each done once and safely.

Import its modules one by one, so that a notebook's imports stay light. Ground knows nothing of Twinpane's other packages.
"""
