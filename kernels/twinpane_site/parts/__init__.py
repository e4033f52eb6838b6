"""The site's processes beside the agent: whatever is hostile or slow is done in one of them, and the agent's own process only asks.

``port`` is how they talk, ``part`` starts one in an interpreter of its own, ``fork_server`` forks small ones from an interpreter that has
imported all they need.
"""
