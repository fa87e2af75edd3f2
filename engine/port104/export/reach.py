"""Which storage folders of other engines are seen from here, as on a volume that they share."""

from collections.abc import Iterable
from pathlib import Path


def within_reach(others: Iterable[tuple[str, str]]) -> list[str]:
    """Those of the folders (name, path) that are at that path here too. Waits for the disk."""
    return [name for name, root in others if _name_at(Path(root)) == name]


def _name_at(root: Path) -> str:
    """The name that a storage folder bears (dispatch/node.py); empty: there is none."""
    try:
        return (root / "node").read_text("ascii").strip()
    except (OSError, UnicodeError):
        return ""
