"""Times, as people and programs are told of them."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """A Unix time in ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(seconds: float | None) -> str | None:
    """The same, of what may not have happened."""
    return None if seconds is None else iso(seconds)
