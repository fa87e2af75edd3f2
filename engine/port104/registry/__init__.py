"""Who may call, under which names port104 answers, and what is done then.

Local AEs, sources, destinations and pipelines.
"""
