"""Cohorts: building and reading them, and counting their steps."""
