"""The site's processes beside the agent. They do all hostile or slow work; the agent's own process only asks.

They talk over a ``port``. ``part`` starts one in its own interpreter. ``fork_server`` forks small ones from an interpreter that has
imported all they need.
"""
