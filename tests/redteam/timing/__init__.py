"""How much the departure times of a site's messages tell while an inside kernel does its worst: programs, probes, decoder, table."""
