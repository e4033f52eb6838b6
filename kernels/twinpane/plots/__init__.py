"""Plots of a table, drawn from the releases alone."""
