"""A real RabbitMQ gets what is sent; it is killed and started anew meanwhile."""

import contextlib
import ssl
import time
from collections import Counter
from functools import partial

import msgspec
import pika
import pytest
import trio

from port104.errors import ConfigurationError
from port104.events.address import read
from port104.events.amqp import Broker
from port104.events.contracts import BrokerError, RefusedError
from port104.events.publishing import Publisher
from port104.jobs.ledger.messages import Message, put
from port104.net.https import build_https_context

pytestmark = pytest.mark.peer
KEY = "md.workflow.request"
QUEUE = "md.export.request.port104"


def message(name="m1", body="{}"):
    return Message(id=name, routing_key=KEY, kind="X", correlation_id="c1", body=body, created=1.8e9)


@pytest.fixture
def clock():
    return time.time


@pytest.fixture
def exchange(rabbitmq):
    return rabbitmq.new_exchange()


def broker(url, exchange, tls=ssl.create_default_context):
    return Broker(address=read(url), exchange=exchange, heartbeat=60, tls=tls)


def test_a_message_is_kept_with_the_properties_that_mig_gives_it(rabbitmq, exchange):
    queue = rabbitmq.queue(exchange, "md.workflow.*")
    link = broker(rabbitmq.url, exchange).to_publish()
    link.publish(message())
    link.rest()
    link.close()
    ((properties, body),) = queue.look()
    assert body == b"{}"
    assert (properties.message_id, properties.correlation_id, properties.type) == ("m1", "c1", "X")
    assert (properties.content_type, properties.app_id) == ("application/json", "port104")
    assert (properties.delivery_mode, properties.timestamp) == (2, 1_800_000_000)


def test_what_no_queue_takes_is_told_of_and_the_connection_goes_on(rabbitmq, exchange):
    link = broker(rabbitmq.url, exchange).to_publish()
    with pytest.raises(RefusedError, match=f"no queue is bound to the exchange {exchange} for {KEY}"):
        link.publish(message())
    queue = rabbitmq.queue(exchange)
    link.publish(message())
    link.close()
    assert len(queue.look()) == 1


def test_what_the_broker_ends_the_channel_for_is_told_of_and_the_connection_goes_on(rabbitmq, exchange):
    queue = rabbitmq.queue(exchange)
    link = broker(rabbitmq.url, exchange).to_publish()
    with pytest.raises(RefusedError, match=r"message size .* is larger than"):
        link.publish(message(body="x" * (129 << 20)))
    link.publish(message())
    link.close()
    assert len(queue.look()) == 1


def test_it_is_called_over_tls_and_shows_a_certificate_that_is_good(rabbitmq, exchange):
    queue = rabbitmq.queue(exchange)
    tls = partial(build_https_context, authorities=rabbitmq.authorities, own=None)
    link = broker(rabbitmq.tls_url, exchange, tls).to_publish()
    link.publish(message())
    link.close()
    assert len(queue.look()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["authority", "name"])
def test_a_certificate_that_is_not_good_is_told_of(rabbitmq, host):
    """It was signed by somebody whom we do not know; or is for another name."""
    authorities = None if host == "127.0.0.1" else rabbitmq.authorities
    tls = partial(build_https_context, authorities=authorities, own=None)
    with pytest.raises(BrokerError, match=r"is not good: .*; check events\.certificateAuthorities"):
        broker(rabbitmq.tls_url.replace("127.0.0.1", host), "x", tls).to_publish()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("amqp://guest:wrong@127.0.0.1:{port}", "does not know this user and password: check events.url"),
        ("amqp://guest:guest@127.0.0.1:{port}/nope", "has no such virtual host"),
        ("amqps://guest:guest@127.0.0.1:{port}", "wrong version number"),
        ("amqp://guest:guest@127.0.0.1:1", "Connection refused"),
        ("amqp://guest:guest@nowhere.invalid", "."),
    ],
)
def test_what_is_wrong_with_the_address_is_told_without_the_password(rabbitmq, url, why):
    with pytest.raises(BrokerError, match=why) as caught:
        broker(url.format(port=rabbitmq.port), "x").to_publish()
    assert "guest" not in str(caught.value)


def test_an_exchange_of_another_kind_is_told_of(rabbitmq):
    with pytest.raises(BrokerError, match="inequivalent arg 'type'"):
        broker(rabbitmq.url, "amq.fanout").to_publish()


def test_a_file_for_tls_that_cannot_be_used_is_told_of(rabbitmq):
    def tls():
        raise ConfigurationError("ca.pem holds no certificate")

    with pytest.raises(BrokerError, match=r"ca\.pem holds no certificate"):
        broker(rabbitmq.url.replace("amqp", "amqps"), "x", tls).to_publish()


def test_a_connection_that_was_lost_is_told_of_and_closed(rabbitmq, exchange):
    link = broker(rabbitmq.url, exchange).to_publish()
    link._connection._impl._transport._sock.shutdown(2)
    with pytest.raises(BrokerError, match=r"cannot be used"):
        link.rest()
    with pytest.raises(BrokerError, match=r"cannot be used"):
        link.publish(message())
    link.close()


def taken(link, seconds=10):
    """The next message; None: none comes any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (delivery := link.take()) is not None:
            return delivery
    return None


def asked(rabbitmq, exchange, *messages, queue=QUEUE):
    """Send what a workflow manager sends."""
    link = broker(rabbitmq.url, exchange).to_publish()
    for name, body in messages:
        link.publish(msgspec.structs.replace(message(name, body), routing_key=queue))
    link.close()


def test_what_is_not_answered_for_comes_again_and_what_is_rejected_is_a_dead_letter(rabbitmq, exchange):
    queue = f"{QUEUE}.{exchange}"
    dead = rabbitmq.queue(f"{exchange}-dead-letter")
    link = broker(rabbitmq.url, exchange).to_consume(queue)
    asked(rabbitmq, exchange, ("m1", "1"), ("m2", "2"), ("m3", "3"), queue=queue)
    first, second, third = (taken(link) for _ in range(3))
    assert [(each.message_id, each.body) for each in (first, second, third)] == [
        *(("m1", b"1"), ("m2", b"2"), ("m3", b"3"))
    ]
    link.accept(first)
    link.reject(second)
    link.rest()
    link.close()
    again = broker(rabbitmq.url, exchange).to_consume(queue)
    back = taken(again)
    assert (back.message_id, back.body) == ("m3", b"3")
    again.accept(back)
    assert again.take() is None
    again.close()
    assert [properties.message_id for properties, _ in dead.look()] == ["m2"]
    kept = rabbitmq.named(f"{queue}-dead-letter")  # where a person finds them
    assert [properties.message_id for properties, _ in kept.look()] == ["m2"]


def test_a_queue_that_another_program_has_made_is_used_as_it_is(rabbitmq, exchange):
    queue = f"{QUEUE}.{exchange}"
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(rabbitmq.url))) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments={"x-max-length": 99})
    link = broker(rabbitmq.url, exchange).to_consume(queue)
    asked(rabbitmq, exchange, ("m1", "1"), queue=queue)
    assert taken(link).message_id == "m1"
    link.close()


def test_a_queue_that_is_deleted_is_told_of(rabbitmq, exchange):
    queue = f"{QUEUE}.{exchange}"
    link = broker(rabbitmq.url, exchange).to_consume(queue)
    assert link.take() is None
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(rabbitmq.url))) as connection:
        connection.channel().queue_delete(queue)
    with pytest.raises(BrokerError, match=f"the queue {queue} was deleted"):
        taken(link)
    link.close()


async def test_a_broker_that_is_killed_in_mid_run_has_everything_in_the_end(rabbitmq, exchange, desk):
    queue = rabbitmq.queue(exchange)
    publisher = Publisher(desk, broker(rabbitmq.url, exchange).to_publish, lambda: 1.0)
    names = [f"m{number:03}" for number in range(150)]

    def write(some, ledger):
        with ledger._database.changing() as session:
            for name in some:
                put(session, message(name, f'"{name}"'), session.now())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publisher.run)
        await desk.do(partial(write, names[:100]))
        publisher.look()
        while not await desk.do(lambda ledger: 100 - unsent(ledger)):
            await trio.sleep(0.01)
        rabbitmq.kill()
        await desk.do(partial(write, names[100:]))
        publisher.look()
        await trio.to_thread.run_sync(rabbitmq.start)
        with trio.fail_after(30):
            while await desk.do(unsent):
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    came = [properties.message_id for properties, _ in queue.look()]
    assert set(came) == set(names)
    assert all(msgspec.json.decode(body) == properties.message_id for properties, body in queue.messages)
    # One was under way when the broker died.
    assert sum(Counter(came).values()) <= len(names) + 1


def unsent(ledger):
    with ledger._database.reading() as session:
        ((count,),) = session.run("SELECT COUNT(*) FROM port104_message WHERE sent IS NULL")
    return count


async def test_how_fast_messages_are_sent(rabbitmq, exchange, desk):
    """Not the slowest that it may be, but so slow that something would be wrong."""
    queue = rabbitmq.queue(exchange)
    with desk._ledger._database.changing() as session:
        for number in range(500):
            put(session, message(f"m{number:03}", "x" * 2_000), session.now())
    publisher = Publisher(desk, broker(rabbitmq.url, exchange).to_publish, lambda: 1.0)
    began = time.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(publisher.run)
        with trio.fail_after(50):
            while await desk.do(unsent):
                await trio.sleep(0.02)
        print(f"{500 / (time.monotonic() - began):.0f} messages a second")
        nursery.cancel_scope.cancel()
    assert len(queue.look()) == 500
