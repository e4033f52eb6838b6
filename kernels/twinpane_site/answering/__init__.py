"""Questions to the broker, answered in a process of their own: no query shares the agent's interpreter, its locks or its memory.

``broker_client`` is the agent's side and ``broker_process`` the other. ``broker_frames`` defines their messages. ``fair_queue`` decides
which question goes next. The site's key stays with the agent, which signs the releases that it gets. The broker's memory stays with the
broker. A process that dies is started again and asked its open questions again; an answer that it remembered has the same bytes.
"""
