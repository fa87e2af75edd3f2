"""PostgreSQL: connections that are lost, servers that are not there, and what errors say."""

import logging
import select
import threading

import pytest

from engine_process import free_port
from port104.database.faults import DatabaseError, NewerSchemaError
from port104.registry.store.contents import EntryRow
from postgres_process import PASSWORD

pytestmark = pytest.mark.peer
ROW = EntryRow("src", "CT1", None, "{}")


@pytest.fixture
def open_postgres(postgres):
    from port104.registry.store.postgres import PostgresStore  # noqa: PLC0415 - an optional dependency

    opened = []

    def open_one(url):
        opened.append(PostgresStore(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def url(postgres):
    return postgres.new_url()


def hears(listener, seconds=5.0):
    """Whether a change is told of."""
    readable, _, _ = select.select([listener], [], [], seconds)
    return bool(readable)


def test_a_change_is_told_to_others(open_postgres, url):
    ours, theirs = open_postgres(url), open_postgres(url)
    listener = theirs.listen()
    assert not hears(listener, 0)
    assert ours.write(0, put=ROW)
    assert hears(listener)
    listener.drain()
    assert not hears(listener, 0)
    assert ours.write(0, drop=ROW) is False
    assert not hears(listener, 0.1)
    listener.close()


def test_a_change_that_is_not_made_is_told_to_nobody(open_postgres, url):
    store = open_postgres(url)
    assert store.write(0, put=EntryRow("aetitle", "a", "T", "{}"))
    listener = store.listen()
    with pytest.raises(DatabaseError, match="duplicate key"):
        store.write(1, put=EntryRow("aetitle", "b", "T", "{}"))
    assert not hears(listener, 0.1)
    assert store.read(1) is None
    listener.close()


def test_a_connection_that_was_lost_meanwhile_is_made_anew(open_postgres, postgres, url):
    store = open_postgres(url)
    assert store.write(0, put=ROW)
    for known in (1, 2):
        postgres.end_connections()
        assert store.read(known) is None
        postgres.end_connections()
        assert store.write(known, drop=ROW, put=ROW)


def test_a_listener_whose_connection_is_lost_says_so(open_postgres, postgres, url):
    listener = open_postgres(url).listen()
    postgres.end_connections()
    assert hears(listener)
    with pytest.raises(DatabaseError, match="cannot be used"):
        listener.drain()
    listener.close()


def test_without_a_server_it_is_said_and_afterwards_all_is_well(open_postgres, postgres, url):
    store = open_postgres(url)
    assert store.write(0, put=ROW)
    postgres.stop()
    try:
        with pytest.raises(DatabaseError, match="see that PostgreSQL runs there"):
            store.write(1, drop=ROW)
    finally:
        postgres.start()
    assert store.write(1, drop=ROW)


def test_of_many_that_start_at_once_one_makes_the_tables(open_postgres, url):
    faults = []

    def start():
        try:
            open_postgres(url)
        except DatabaseError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_of_many_that_change_the_same_one_wins(open_postgres, url):
    stores = [open_postgres(url) for _ in range(8)]
    done = []

    def change(store, number):
        done.append(store.write(0, put=EntryRow("src", f"CT{number}", None, "{}")))

    threads = [threading.Thread(target=change, args=(each, n)) for n, each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]
    assert len(stores[0].read(None).entries) == 1


def test_a_newer_schema_is_refused(open_postgres, postgres, url):
    open_postgres(url).close()
    schema = url.rpartition("%3D")[2]
    postgres.run(f"UPDATE {schema}.port104_registry SET version = 99")
    with pytest.raises(
        NewerSchemaError, match=r"the registry in postgresql://port104@127\.0\.0\.1:\d+/postgres has"
    ):
        open_postgres(url)


@pytest.mark.parametrize("what", ["password", "port", "parameter", "host"])
def test_no_error_holds_the_password(open_postgres, postgres, caplog, what):
    caplog.set_level(logging.DEBUG)
    wrong = {
        "password": postgres.url(password="not the password"),
        "port": postgres.url(port=free_port()),
        "parameter": postgres.url() + "&nosuch=1",
        "host": postgres.url().replace("127.0.0.1", "127.0.0.1%zz"),
    }[what]
    with pytest.raises(DatabaseError) as caught:
        open_postgres(wrong)
    chain = [
        caught.value,
        caught.value.__cause__,
        caught.value.__suppress_context__ or caught.value.__context__,
    ]
    for text in (*map(str, chain), caplog.text):
        for secret in (PASSWORD, "not the password", "open%20sesame", "not%20the"):
            assert secret not in text
    assert "registry.url" in str(caught.value)
    assert "postgresql://port104@" in str(caught.value)
