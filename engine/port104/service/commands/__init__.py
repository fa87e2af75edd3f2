"""The commands: what each takes and prints. What every start of the command line loads imports click only."""
