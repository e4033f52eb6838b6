"""Questions to the broker, answered in a process of their own: no query shares the agent's interpreter, its locks or its memory.

``broker_client`` is the agent's side, ``broker_process`` the other, ``broker_frames`` says what the two tell each other, ``fair_queue``
decides which question goes next. The site's key stays with the agent, which signs what it is handed; the broker's memory stays with the
broker. A process that dies is started again, and what it had not answered is asked again: what it remembered gets the same bytes.
"""
