"""Completion of names: what the shell offers when TAB is pressed. It is quick, or offers nothing."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from port104.service.commands.places import PLACE_OPTIONS, place_of

if TYPE_CHECKING:
    from port104.service.commands.keeping import Keeper
    from port104.service.commands.looking import What

_MOST_IDS = 200

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def entry_names(word: str) -> Complete:
    """Offer the names of entries of a kind."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        from port104.service.registration import KINDS  # noqa: PLC0415 - only completion pays for it

        kind = next(kind for kind in KINDS if kind.word == word)
        return _names(ctx, incomplete, lambda keeper: keeper.entries(kind))

    return complete


def token_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Offer the names of tokens."""
    return _names(ctx, incomplete, lambda keeper: keeper.tokens())


def job_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Offer the IDs of the latest jobs."""
    return _latest("jobs", ctx, incomplete)


def export_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Offer the IDs of the latest exports."""
    return _latest("exports", ctx, incomplete)


def _latest(what: "What", ctx: click.Context, incomplete: str) -> list[str]:
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - only completion pays for it

    place = place_of(dict.fromkeys(PLACE_OPTIONS) | ctx.params)
    try:
        with reach_ledger(place, patience=0) as ledger:
            ids = [str(each["id"]) for each in ledger.listed(what, {}, _MOST_IDS)]
    except Exception:  # noqa: BLE001 - a shell that waits for words must see none of it
        return []
    return [each for each in ids if each.startswith(incomplete)]


def _names(
    ctx: click.Context, incomplete: str, read: "Callable[[Keeper], Iterable[Mapping[str, Any]]]"
) -> list[str]:
    from port104.service.commands.reaching import reach  # noqa: PLC0415 - only completion pays for it

    place = place_of(dict.fromkeys(PLACE_OPTIONS) | ctx.params)
    try:
        with reach(place, change=False, patience=0) as keeper:
            names = [str(each["name"]) for each in read(keeper)]
    except Exception:  # noqa: BLE001 - a shell that waits for words must see none of it
        return []
    return [name for name in names if name.startswith(incomplete)]
