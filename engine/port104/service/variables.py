"""Variables of a pipeline's command: which names and values there can be."""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = "PORT104_"


def read_variable(name: str, value: object) -> tuple[str, str]:
    """Read one variable, as decoding.NamedValue says. Raises ValueError, which says what is wrong."""
    if not _NAME.fullmatch(name):
        raise ValueError("a variable's name has letters, digits and underscores, and begins with no digit")
    if name.startswith(_OURS):
        raise ValueError(f"{_OURS}... are port104's own, by which it describes the run")
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("expected text")
    return name, value
