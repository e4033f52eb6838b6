"""Backups of a site: taken while it runs, signed by it, and put back only where nothing that it knows is forgotten."""
