"""How much the times tell at which messages leave a site, while an inside kernel does its worst: programs, probes, decoder, table."""
