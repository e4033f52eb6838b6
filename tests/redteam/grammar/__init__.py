"""A grammar of leaks: what is taken from rows, how it is written, by what it is carried, and when. It draws programs from a seed."""
