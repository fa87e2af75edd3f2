"""RabbitMQ by AMQP 0-9-1: connections that block, by pika, which nobody else imports.

Rules that this room keeps:
- the exchange is MIG's: a durable one of type `topic`, made where it is not there;
- messages are persistent and mandatory, and each is confirmed: what no queue takes is told of, not lost;
- foreign exceptions end here.
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from port104.errors import ConfigurationError
from port104.events.address import Address
from port104.events.contracts import TAKE_SECONDS, BrokerError, Delivery, RefusedError
from port104.jobs.ledger.messages import Message

APPLICATION = "port104"
# To the first answer of each step: TCP, TLS, AMQP.
_CONNECT_SECONDS = 10.0
# A broker that runs out of memory or disk blocks who publishes; others are called again meanwhile.
_BLOCKED_SECONDS = 60.0
# Messages that wait here, of several MB each at the worst.
_PREFETCHED = 8
_NOT_FOUND = 404

# What it would tell is told once by us, in words; its own are several lines for each failure.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to call. `heartbeat`: seconds of silence after which a connection is lost.

    `tls`: makes what is used for amqps; called at each connection, it raises ConfigurationError.
    """

    address: Address
    exchange: str
    heartbeat: int
    tls: Callable[[], ssl.SSLContext]

    def to_publish(self) -> "Publication":
        """Connect. Raises BrokerError."""
        return Publication(self)

    def to_consume(self, queue: str) -> "Consumption":
        """Connect, to take the messages whose routing key is the queue's name. Raises BrokerError."""
        return Consumption(self, queue)

    def connect(self) -> pika.BlockingConnection:
        """Connect. Raises BrokerError."""
        address = self.address
        with _translated(address):
            return pika.BlockingConnection(
                pika.ConnectionParameters(
                    host=address.host,
                    port=address.port,
                    virtual_host=address.virtual_host,
                    credentials=pika.PlainCredentials(address.user, address.password),
                    ssl_options=self._ssl_options(),
                    heartbeat=self.heartbeat,
                    blocked_connection_timeout=_BLOCKED_SECONDS,
                    socket_timeout=_CONNECT_SECONDS,
                    stack_timeout=2 * _CONNECT_SECONDS,
                    client_properties={"connection_name": APPLICATION},
                )
            )

    def _ssl_options(self) -> pika.SSLOptions | None:
        if not self.address.tls:
            return None
        try:
            return pika.SSLOptions(self.tls(), self.address.host)
        except ConfigurationError as fault:
            raise BrokerError(str(fault)) from fault


class Publication:
    """A contracts.Publication."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection = broker.connect()
        try:
            self._channel = self._open_channel()
        except BrokerError:
            self.close()
            raise

    def publish(self, message: Message) -> None:
        """As the contract says."""
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent.value,
            message_id=message.id,
            app_id=APPLICATION,
            correlation_id=message.correlation_id,
            type=message.kind,
            timestamp=int(message.created),
        )
        exchange, key = self._broker.exchange, message.routing_key
        with _translated(self._broker.address):
            try:
                self._channel.basic_publish(exchange, key, message.body.encode(), properties, mandatory=True)
            except UnroutableError as failure:
                raise RefusedError(
                    f"no queue is bound to the exchange {exchange} for {key}: start who is to read these"
                    " messages, or bind a queue"
                ) from failure
            except NackError as failure:
                raise RefusedError(
                    "the broker answered that it cannot keep it: a queue is full, or not there"
                ) from failure
            except ChannelClosedByBroker as failure:
                self._channel = self._open_channel()
                raise RefusedError(
                    f"the broker answered {failure.reply_code}: {failure.reply_text}"
                ) from failure

    def rest(self) -> None:
        """As the contract says."""
        with _translated(self._broker.address):
            self._connection.process_data_events(0)

    def close(self) -> None:
        """As the contract says."""
        close(self._connection)

    def _open_channel(self) -> BlockingChannel:
        with _translated(self._broker.address):
            channel = self._connection.channel()
            channel.exchange_declare(self._broker.exchange, "topic", durable=True)
            channel.confirm_delivery()
            return channel


class Consumption:
    """A contracts.Consumption.

    Exchanges and queues are as MIG makes them: the queue is named like the routing key, what is rejected goes
    to the exchange <exchange>-dead-letter and from there to the queue <queue>-dead-letter. A queue that is
    there already is used as it is.
    """

    def __init__(self, broker: Broker, queue: str) -> None:
        self._broker = broker
        self._queue = queue
        self._connection = broker.connect()
        try:
            with _translated(broker.address):
                self._channel = self._declare()
                self._coming = self._channel.consume(queue, inactivity_timeout=TAKE_SECONDS)
        except BrokerError:
            self.close()
            raise

    def take(self) -> Delivery | None:
        """As the contract says."""
        with _translated(self._broker.address):
            # The generator ends where the broker ends the subscription.
            came = next(self._coming, None)
        if came is None:
            raise BrokerError(f"the queue {self._queue} was deleted, or moved, by the broker")
        method, properties, body = came
        if method is None:
            return None
        return Delivery(method.delivery_tag, properties.message_id, body)

    def accept(self, delivery: Delivery) -> None:
        """As the contract says."""
        with _translated(self._broker.address):
            self._channel.basic_ack(delivery.tag)

    def reject(self, delivery: Delivery) -> None:
        """As the contract says."""
        with _translated(self._broker.address):
            self._channel.basic_reject(delivery.tag, requeue=False)

    def rest(self) -> None:
        """As the contract says."""
        with _translated(self._broker.address):
            self._connection.process_data_events(0)

    def close(self) -> None:
        """As the contract says."""
        close(self._connection)

    def _declare(self) -> BlockingChannel:
        exchange, queue = self._broker.exchange, self._queue
        dead = f"{exchange}-dead-letter"
        try:
            channel = self._connection.channel()
            channel.queue_declare(queue, passive=True)
        except ChannelClosedByBroker as failure:
            if failure.reply_code != _NOT_FOUND:
                raise
            channel = self._connection.channel()
            arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": dead}
            channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_declare(f"{queue}-dead-letter", durable=True)
        for each, bound in ((exchange, queue), (dead, f"{queue}-dead-letter")):
            channel.exchange_declare(each, "topic", durable=True)
            channel.queue_bind(bound, each, routing_key=queue)
        channel.basic_qos(prefetch_count=_PREFETCHED)
        return channel


def close(connection: pika.BlockingConnection) -> None:
    """Let go of a connection, whatever state it is in."""
    with suppress(AMQPError, OSError):
        connection.close()


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    try:
        yield
    except (ProbableAuthenticationError, AuthenticationError) as failure:
        raise BrokerError(
            f"the broker at {address} does not know this user and password: check events.url"
        ) from failure
    except ProbableAccessDeniedError as failure:
        raise BrokerError(
            f"the broker at {address} has no such virtual host, or the user may not use it: check events.url,"
            " and rabbitmqctl set_permissions"
        ) from failure
    except ssl.SSLCertVerificationError as failure:
        raise BrokerError(
            f"the certificate of the broker at {address} is not good: {failure.verify_message}; check"
            " events.certificateAuthorities and the host in events.url"
        ) from failure
    except (AMQPError, OSError) as failure:
        raise BrokerError(f"the broker at {address} cannot be used: {_reason(failure)}") from failure


def _reason(failure: BaseException) -> str:
    """What happened, out of what pika wraps round it."""
    for inner in (getattr(failure, "exception", None), *failure.args):
        if isinstance(inner, BaseException):
            return _reason(inner)
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    words = getattr(failure, "reply_text", "") or " ".join(map(str, failure.args))
    return words or type(failure).__name__
