"""Asking the sites: a question becomes a plan, and what they release becomes a result."""
