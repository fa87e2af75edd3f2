"""Measures lung density on a CT series: a demonstration of a pipeline for port104, not for diagnosis."""

__version__ = "0.1.0"


class UnfitError(Exception):
    """The images cannot be measured. The text says why, which of them, and what to do."""
