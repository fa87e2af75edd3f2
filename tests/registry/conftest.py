"""The same tests on every kind of store."""

import pytest

from memory_store import MemoryStore, Shelf
from port104.registry.store.opening import open_entry_store


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def open_store(request, tmp_path):
    """Opens the same database each time: one after the other or, where that may be, at once."""
    opened = []
    if request.param == "memory":
        shelf = Shelf()
        open_one = lambda: MemoryStore(shelf)  # noqa: E731
    else:
        url = request.getfixturevalue("postgres").new_url() if request.param == "postgresql" else None
        open_one = lambda: open_entry_store(url, tmp_path)  # noqa: E731

    def open_and_remember():
        opened.append(open_one())
        return opened[-1]

    yield open_and_remember
    for store in opened:
        store.close()
