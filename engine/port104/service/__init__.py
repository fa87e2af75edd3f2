"""Settings, command line, logs, and the wiring of all the rest."""
