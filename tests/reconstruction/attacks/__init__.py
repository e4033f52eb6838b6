"""The attacks, each a function from a setting to results."""
