"""A real RabbitMQ for tests: a broker of its own, on loopback. From Debian's package rabbitmq-server."""

import contextlib
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import trustme

from engine_process import free_port
from lacking import lacking

SECONDS = 60
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # what is in the PATH wants to be root
# Nothing is computed here: one scheduler, which does not wait for work by running in circles.
EMULATOR = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
# AMQP 0-9-1 8.1: the protocol header, which a broker answers once it is there.
HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitMQ:
    """A broker. Use it in a with statement. What is durable survives `kill` and `start`."""

    def __init__(self):
        if not PROGRAM.exists():
            lacking("RabbitMQ is not installed: make peers")
        self._folder = Path(tempfile.mkdtemp(prefix="port104-rabbitmq-"))
        self._user = _another_user()
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        self._names = map("x{}".format, itertools.count())
        self._epmd = None
        self._process = None
        self.port, self.tls_port = free_port(), free_port()
        self._epmd_port, self._distribution_port = free_port(), free_port()
        self.authorities = self._folder / "authorities.pem"

    def __enter__(self):
        self._write_tls()
        # Nodes find each other by epmd: one of our own, else the machine's would be left running.
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], **self._as_user()
        )
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        self._epmd.kill()
        self._epmd.wait(SECONDS)
        shutil.rmtree(self._folder)

    @property
    def tls_url(self):
        """The same over TLS."""
        return f"amqps://guest:guest@127.0.0.1:{self.tls_port}/"

    @property
    def url(self):
        """What to connect with."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def _write_tls(self):
        """Have it speak TLS too, with a certificate for 127.0.0.1."""
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(self.authorities)
        issued.cert_chain_pems[0].write_to_path(self._folder / "certificate.pem")
        issued.private_key_pem.write_to_path(self._folder / "key.pem")
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.ssl.default = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {self.authorities}\n"
            f"ssl_options.certfile = {self._folder}/certificate.pem\n"
            f"ssl_options.keyfile = {self._folder}/key.pem\n"
        )

    def new_exchange(self):
        """The name of an exchange that is not there yet."""
        return next(self._names)

    def queue(self, exchange, routing_key="#"):
        """A durable queue that gets what is sent to an exchange of MIG's kind."""
        import pika  # noqa: PLC0415 - an optional dependency

        queue = Queue(self, next(self._names))
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            channel.exchange_declare(exchange, "topic", durable=True)
            channel.queue_declare(queue.name, durable=True)
            channel.queue_bind(queue.name, exchange, routing_key)
        return queue

    def send(self, exchange, routing_key, *messages):
        """Send messages (ID, what is written in JSON), as another program does."""
        import pika  # noqa: PLC0415

        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for message_id, body in messages:
                properties = pika.BasicProperties(message_id=message_id, delivery_mode=2)
                channel.basic_publish(exchange, routing_key, json.dumps(body).encode(), properties)

    def named(self, name):
        """A queue that is there."""
        return Queue(self, name)

    def start(self):
        """Start it, again on the same port."""
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [PROGRAM], stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._as_user()
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def kill(self):
        """Kill it, as a machine that fails; connections are lost."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(SECONDS)
            self._process = None

    def _answers(self):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 5) as connection,
        ):
            connection.settimeout(5)
            connection.sendall(HEADER)
            return bool(connection.recv(8))
        return False

    def _as_user(self):
        return {
            "env": {
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "HOME": str(self._folder),
                "ERL_EPMD_PORT": str(self._epmd_port),
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODENAME": f"port104-{self.port}@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(self.port),
                "RABBITMQ_DIST_PORT": str(self._distribution_port),
                "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
                "RABBITMQ_LOG_BASE": str(self._folder / "logs"),
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
                "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": EMULATOR,
            },
            "cwd": self._folder,
            "start_new_session": True,
        } | ({} if self._user is None else {"user": self._user, "extra_groups": []})


class Queue:
    """What came to a queue; the broker may be killed between two looks."""

    def __init__(self, broker, name):
        self.name = name
        self._broker = broker
        self.messages = []

    def look(self):
        """Take what has come; returns all that ever did, as (properties, body)."""
        import pika  # noqa: PLC0415

        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self._broker.url))) as connection:
            channel = connection.channel()
            known = {properties.message_id for properties, _ in self.messages}
            while True:
                method, properties, body = channel.basic_get(self.name)
                if method is None:
                    return self.messages
                channel.basic_ack(method.delivery_tag)
                # An acknowledgement of ours may be lost with the broker.
                if not method.redelivered or properties.message_id not in known:
                    self.messages.append((properties, body))


def _another_user():
    """Debian keeps RabbitMQ's files for a user of its own. None: we are nobody special."""
    return pwd.getpwnam("rabbitmq").pw_uid if os.geteuid() == 0 else None
