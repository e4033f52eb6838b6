"""Questions to the broker, answered in a process of their own: no query shares the agent's interpreter, its locks or its memory.

``desk`` is the agent's side, ``line`` decides which question goes next, ``frames`` says what the two tell each other, ``process`` is the
other side. The site's key stays with the agent, which signs what it is handed; the broker's memory stays with the broker. A process
that dies is started again, and what it had not answered is asked again: what it remembered gets the same bytes.
"""
