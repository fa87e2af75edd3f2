"""Messages for a broker in the ledger, on both kinds of database."""

import pytest

from port104.jobs.ledger.looking.messages import MessageBacklog, message_backlog
from port104.jobs.ledger.messages import Message, Messages, Refusal, put


def message(name="m1", body='{"a": 1}'):
    return Message(id=name, routing_key="md.x", kind="X", correlation_id="c", body=body)


@pytest.fixture
def messages(database):
    return Messages(database, "n1")


@pytest.fixture
def write(database):
    def write(*names):
        with database.changing() as session:
            return [put(session, message(name), session.now()) for name in names]

    return write


@pytest.fixture
def backlog(database):
    def backlog():
        with database.reading() as session:
            return message_backlog(session)

    return backlog


def ids(taken):
    return [each.id for each in taken]


def test_a_message_is_taken_once_as_it_was_written(messages, write):
    assert messages.take(9, 60) == []
    assert messages.seconds_until_due() is None
    assert write("m1") == [True]
    assert messages.seconds_until_due() == 0
    (taken,) = messages.take(9, 60)
    assert taken.created > 0
    assert (taken.id, taken.routing_key, taken.kind, taken.correlation_id, taken.body, taken.attempt) == (
        *("m1", "md.x", "X", "c"),
        '{"a": 1}',
        0,
    )
    assert messages.take(9, 60) == []
    assert 50 < messages.seconds_until_due() <= 60


def test_the_oldest_are_taken_first(messages, write):
    for name in ("m3", "m1", "m2"):
        write(name)
    assert ids(messages.take(2, 60)) == ["m3", "m1"]
    assert ids(messages.take(2, 60)) == ["m2"]


def test_a_message_is_written_once_also_when_it_is_sent(messages, write):
    assert write("m1", "m1") == [True, False]
    messages.settle(ids(messages.take(9, 60)), [])
    assert write("m1") == [False]
    assert messages.take(9, 60) == []
    assert messages.seconds_until_due() is None


def test_one_that_is_not_taken_by_the_broker_waits_alone(messages, write, backlog):
    write("m1", "m2")
    messages.take(9, 60)
    messages.settle(["m2"], [Refusal("m1", "no queue", 60)])
    assert messages.take(9, 60) == []
    assert 50 < messages.seconds_until_due() <= 60
    seen = backlog()
    assert (seen.waiting, seen.refused, seen.why) == (1, 1, "no queue")
    messages.settle([], [Refusal("m1", "not ours any more", 0)])  # it is, by the name of who held it last
    (again,) = messages.take(9, 60)
    assert again.attempt == 2
    messages.settle(["m1"], [])
    assert backlog() == MessageBacklog(0, 0.0, 0, "", 0)


def test_what_could_not_be_asked_is_taken_again(messages, write):
    write("m1", "m2")
    messages.take(9, 60)
    messages.settle(["m1"], [], ["m2"])
    (again,) = messages.take(9, 60)
    assert (again.id, again.attempt) == ("m2", 0)


def test_after_a_kill_what_was_held_is_sent_again_by_the_same_engine(database, messages, write):
    write("m1")
    (before,) = messages.take(9, 60)
    other = Messages(database, "n2")
    other.begin()
    assert other.take(9, 60) == []
    messages.begin()
    assert messages.take(9, 60) == [before]


def test_what_an_engine_holds_that_is_gone_is_sent_by_another(database, messages, write):
    write("m1")
    (before,) = messages.take(9, 0)
    other = Messages(database, "n2")
    assert other.take(9, 60) == [before]
    # The one that was silent comes back: its refusal changes nothing, its success counts.
    messages.settle([], [Refusal("m1", "late", 60)], ["m1"])
    assert messages.take(9, 60) == []
    messages.settle(["m1"], [])
    other.settle([], [Refusal("m1", "refused", 0)])
    assert other.take(9, 60) == []


def test_what_was_sent_long_ago_is_forgotten(messages, write):
    write("m1", "m2", "m3")
    messages.settle(["m1", "m2"], [])
    assert messages.forget(60, 9) == 0
    assert messages.forget(-1, 1) == 1
    assert messages.forget(-1, 9) == 1
    assert messages.forget(-1, 9) == 0
    assert ids(messages.take(9, 60)) == ["m3"]


@pytest.mark.peer
def test_each_message_is_taken_by_one_of_several_engines(postgres):
    import threading  # noqa: PLC0415

    from port104.database.postgres import PostgresDatabase  # noqa: PLC0415 - an optional dependency
    from port104.jobs.ledger.tables import SCHEMA  # noqa: PLC0415

    url = postgres.new_url()
    databases = [PostgresDatabase(url, SCHEMA) for _ in range(3)]
    with databases[0].changing() as session:
        for number in range(60):
            put(session, message(f"m{number:02}"), session.now())
    taken = []

    def work(number):
        ours = Messages(databases[number], f"n{number}")
        while some := ours.take(4, 60):
            taken.extend(ids(some))
            ours.settle(ids(some), [])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # Who loses a race finds nothing, and looks again later.
    rest = Messages(databases[0], "n0")
    while some := rest.take(4, 60):
        taken.extend(ids(some))
        rest.settle(ids(some), [])
    assert sorted(taken) == [f"m{number:02}" for number in range(60)]
    for each in databases:
        each.close()
