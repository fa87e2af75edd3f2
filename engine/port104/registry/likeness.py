"""The known word that somebody may have meant."""

import difflib
from collections.abc import Collection, Mapping

# To look for what is similar takes some 30 us a word: with more than these it is not worth the time.
_MOST_COMPARED = 1000


def folded(word: str) -> str:
    """What is left of a word without the commonest slips: case, and blanks round it."""
    return word.strip().lower()


def by_folded(words: Collection[str]) -> dict[str, str]:
    """Folded word -> the first word that is folded so."""
    return {folded(word): word for word in reversed([*words])}


def nearest(word: str, known: Mapping[str, str]) -> str | None:
    """Find the word most like one that is unknown, among words by their folded form."""
    if (same := known.get(folded(word))) is not None:
        return same
    if len(known) > _MOST_COMPARED:
        return None
    close = difflib.get_close_matches(folded(word), known, n=1)
    return known[close[0]] if close else None
