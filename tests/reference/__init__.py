"""A slow broker of its own, in plain pandas: what the disclosure rules let out of a question, worked out from their text.

It shares nothing with the broker's rules, suppression, engines or memory; plan, catalogue, grid of edges and the numbers of the
policy are what both are given. What it says is an upper bound: a broker may show less (secondary suppression, memory), never more,
and never another number.
"""
