"""Backups of a hub: what it knows, without its workspaces, taken while it runs and put back in an empty place."""
