"""Where commands find entries and tokens: in a running engine (remote.py), or in its store (direct.py)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from port104.service.registration import Kind

Document = dict[str, Any]


class Shown(msgspec.Struct, frozen=True):
    """An entry. `revision` is for `replace`: which one it is that was looked at.

    `warnings`: what there is to say about it after a change.
    """

    document: Document
    revision: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.document["name"])


class Keeper(Protocol):
    """Keeps entries and tokens. All raise CommandError, or another Port104Error that says what to do."""

    @property
    def note(self) -> str:
        """What there is to say about a change besides that it was made; mostly nothing."""
        ...

    def entries(self, kind: Kind) -> list[Document]:
        """All that hold, sorted by name."""
        ...

    def entry(self, kind: Kind, name: str) -> Shown:
        """One of them."""
        ...

    def create(self, kind: Kind, document: Mapping[str, Any]) -> Shown:
        """Keep a new one."""
        ...

    def replace(self, kind: Kind, name: str, document: Mapping[str, Any], revision: str) -> Shown:
        """Keep it in place of one, which still must be what it was when it was looked at."""
        ...

    def delete(self, kind: Kind, name: str) -> Shown:
        """Keep it no longer; returns what it was."""
        ...

    def echo(self, destination: str) -> Document:
        """Ask a destination by C-ECHO: what export.Verification says."""
        ...

    def tokens(self) -> Sequence[Document]:
        """All tokens: name, scope, created."""
        ...

    def create_token(self, name: str, scope: str) -> str:
        """Make one; returns its secret."""
        ...

    def delete_token(self, name: str) -> None:
        """Let its secret be worth nothing."""
        ...
