"""Which store it is, and what is said where psycopg is not installed."""

import sys

import pytest

from port104.errors import ConfigurationError
from port104.registry.store.opening import open_entry_store
from port104.registry.store.sqlite import SqliteStore


def test_without_a_url_it_is_a_file_in_the_storage_folder(tmp_path):
    store = open_entry_store(None, tmp_path)
    assert isinstance(store, SqliteStore)
    store.close()


def test_without_psycopg_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "port104.database.postgres", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'port104\[postgresql\]'") as caught:
        open_entry_store("postgresql://u:secret@db/x", tmp_path)
    assert "secret" not in str(caught.value)
