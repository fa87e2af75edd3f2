"""The nearest known key to one that is unknown."""

import difflib
from collections.abc import Iterable

import msgspec

from port104.service import schema
from port104.service.settings.tree import Settings

_SIMILAR = 0.6
_ALMOST_THE_SAME = 0.85


def nearest(text: str, known: Iterable[str], similarity: float = _SIMILAR) -> str | None:
    """Find the known word most like the text, regardless of case and hyphens."""
    folded = {schema.fold(word): word for word in known}
    close = difflib.get_close_matches(schema.fold(text), folded, n=1, cutoff=similarity)
    return folded[close[0]] if close else None


def nearest_key(section: type[msgspec.Struct], path: schema.Path, name: str) -> str | None:
    """Find the known key most like an unknown one: in its section, otherwise anywhere.

    `path` is where the section stands. A key that is spelt right but stands in the wrong place is
    found too.
    """
    sibling = nearest(name, (key.name for key in schema.keys(section)))
    if sibling is not None:
        return schema.path_text((*path, sibling))
    everywhere = [text for text, _ in schema.leaves(Settings)]
    last = nearest(name, (text.rpartition(".")[2] for text in everywhere), _ALMOST_THE_SAME)
    if last is None:
        return None
    holders = [text for text in everywhere if text.rpartition(".")[2] == last]
    if not path:
        return holders[0]  # settings/ begins with what is asked for most: `port` is that of DICOM
    wanted = schema.path_text((*path, last))
    return max(holders, key=lambda text: difflib.SequenceMatcher(None, wanted, text).ratio())


def did_you_mean(suggestion: str | None, otherwise: Iterable[str] = ()) -> str:
    """Write the end of a message about an unknown word."""
    if suggestion is not None:
        return f"; did you mean {suggestion}?"
    known = ", ".join(otherwise)
    return f"; known here: {known}" if known else ""
