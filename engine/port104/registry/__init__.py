"""Who may call, and under which names port104 answers: local AEs, sources, destinations."""
