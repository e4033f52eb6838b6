"""What the sites publish about their data: browsing, searching, completion."""
