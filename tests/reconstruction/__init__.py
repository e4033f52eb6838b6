"""Attacks on the broker as a statistician would make them: ``python -m tests.reconstruction``."""
