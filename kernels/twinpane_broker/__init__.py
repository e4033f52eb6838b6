"""The broker: from a question to a signed release or a refusal. A library of its own; knows nothing of notebooks or links.

A question passes through the folders in this order::

    catalogue    what the steward published
    question     the plan: what can be asked (sql reads a SELECT into one)
    check        the plan against the catalogue: a ResolvedPlan
    engine       measures its evidence (evidence, cells)
    disclosure   judges the evidence by the rules (rules, aggregates), beside the memory
    memory       the person sets behind everything released
    release      what leaves: released tables, pooled over sites

``__init__.pyi`` lists every name that other packages may use, and where it is made. Each is loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
