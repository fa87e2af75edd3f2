"""The file: when it is made, who may read it, and that nothing else than a whole one is taken for it."""

import os
import sqlite3
import stat

import pytest

from port104.database.faults import DatabaseError, NewerSchemaError
from port104.registry.store.contents import Contents, EntryRow, TokenRow
from port104.registry.store.opening import FILE_NAME
from port104.registry.store.sqlite import SqliteStore

ROW = EntryRow("src", "CT1", None, "{}")
TOKEN = TokenRow("t", "read", "00", "2027-01-15T08:00:00+00:00")


@pytest.fixture
def file(tmp_path):
    return tmp_path / FILE_NAME


@pytest.fixture
def stored(file):
    """A file with an entry and a token."""
    store = SqliteStore(file)
    assert store.write(0, put=ROW)
    assert store.write(1, put=TOKEN)
    store.close()
    return file


def contents_of(file):
    store = SqliteStore(file)
    try:
        return store.read(None)
    finally:
        store.close()


def test_without_a_file_there_is_nothing_and_none_is_made(file):
    store = SqliteStore(file)
    assert store.read(None) == Contents(0)
    assert store.read(0) is None
    store.close()
    assert [*file.parent.iterdir()] == []


def test_the_first_change_makes_it_for_its_owner_alone(file):
    before = os.umask(0)
    try:
        store = SqliteStore(file)
        assert store.write(0, put=ROW)
        store.close()
    finally:
        os.umask(before)
    assert [*file.parent.iterdir()] == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_written_is_read(stored):
    contents = contents_of(stored)
    assert contents.generation == 2
    assert contents.entries == (EntryRow("src", "CT1", None, "{}", revision=1),)
    assert contents.tokens == (TOKEN,)


def test_a_change_upon_an_old_generation_is_not_made(stored):
    store = SqliteStore(stored)
    for known in (0, 1, 3):
        assert store.write(known, drop=ROW) is False
    assert store.write(2, drop=ROW) is True
    assert store.read(2) == Contents(3, (), (TOKEN,))
    store.close()


def test_a_path_may_hold_anything(tmp_path):
    folder = tmp_path / "a?b#c%41 d"
    folder.mkdir()
    store = SqliteStore(folder / FILE_NAME)
    assert store.write(0, put=ROW)
    store.close()
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_a_start_that_was_cut_off_is_made_anew(file):
    file.with_name(FILE_NAME + ".new").write_bytes(b"half of a")
    store = SqliteStore(file)
    assert store.write(0, put=ROW)
    store.close()
    assert [*file.parent.iterdir()] == [file]


def test_a_file_that_is_taken_away_while_it_is_used_is_said(stored):
    store = SqliteStore(stored)
    stored.rename(stored.with_name("elsewhere"))
    with pytest.raises(DatabaseError, match="moved or removed while port104 works with it"):
        store.write(2, put=EntryRow("src", "CT2", None, "{}"))
    stored.with_name("elsewhere").rename(stored)
    assert store.write(2, put=EntryRow("src", "CT2", None, "{}"))
    store.close()


# ---- damage ----


def broken(content):
    """Zeros over the pages behind the first one."""
    return content[:4096] + bytes(len(content) - 4096)


DAMAGE = {
    "empty": lambda content: b"",
    "text": lambda content: b"not a database at all" * 500,
    "cut": lambda content: content[: len(content) // 2],
    "zeros": broken,
    "another program's": None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_no_empty_registry(stored, damage):
    if damage is None:
        stored.unlink()
        connection = sqlite3.connect(stored)
        connection.execute("CREATE TABLE something (else_ TEXT)")
        connection.close()
    else:
        stored.write_bytes(damage(stored.read_bytes()))
    before = stored.read_bytes()
    with pytest.raises(DatabaseError) as caught:
        SqliteStore(stored)
    assert f"the registry in {stored} is damaged" in str(caught.value)
    assert "restore the file from a backup, or move it away" in str(caught.value)
    assert stored.read_bytes() == before


def test_a_table_without_its_row_is_damage_too(stored):
    connection = sqlite3.connect(stored)
    with connection:
        connection.execute("DELETE FROM port104_registry")
    connection.close()
    with pytest.raises(DatabaseError, match="is not whole"):
        SqliteStore(stored)


def test_a_folder_in_its_place_is_said(file):
    file.mkdir()
    with pytest.raises(
        DatabaseError, match=r"cannot be used: .*; port104's user must be able to read and write it"
    ):
        SqliteStore(file)


def test_a_folder_that_is_gone_is_said(tmp_path):
    store = SqliteStore(tmp_path / "gone" / FILE_NAME)
    with pytest.raises(DatabaseError, match="No such file or directory"):
        store.write(0, put=ROW)


def test_a_file_that_somebody_else_holds_is_said(stored, monkeypatch):
    monkeypatch.setattr("port104.database.sqlite._BUSY_SECONDS", 0)
    store = SqliteStore(stored)
    other = sqlite3.connect(stored, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="another program has it open"):
        store.write(2, drop=ROW)
    other.execute("ROLLBACK")
    other.close()
    assert store.write(2, drop=ROW)
    store.close()


def test_a_change_that_fails_leaves_nothing_behind(stored):
    store = SqliteStore(stored)
    twice = EntryRow("aetitle", "x", "A", "{}")
    assert store.write(2, put=twice)
    with pytest.raises(DatabaseError, match="UNIQUE"):
        store.write(3, drop=ROW, put=EntryRow("aetitle", "y", "A", "{}"))
    assert store.read(3) is None
    assert store.write(3, drop=ROW)
    store.close()


def test_a_newer_schema_is_refused(stored):
    connection = sqlite3.connect(stored)
    with connection:
        connection.execute("UPDATE port104_registry SET version = 99")
    connection.close()
    with pytest.raises(NewerSchemaError, match=r"schema version 99, and this port104 knows \d+ at the most"):
        SqliteStore(stored)
