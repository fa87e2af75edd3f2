"""Audit messages of PS3.15 A.5, to a file or to a syslog collector."""
