"""A grammar of leaks: what is taken from rows, how it is written, what carries it, and when. It draws programs from a seed."""
