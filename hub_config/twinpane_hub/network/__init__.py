"""The hub's store of its network: what administrators declare, what sites answer, and who changed what."""
