"""A grammar of leaks: what is taken from rows, how it is written down, by what it is carried, and when. It draws programs of cells from a seed."""
