"""What every package of ours stands on: files, databases, child processes and settings, each done once and safely.

Modules are imported one by one, for what a notebook imports stays light. Ground knows nothing of Twinpane's other packages.
"""
