"""The whole engine tells a real RabbitMQ of payloads, whatever becomes of the two."""

import contextlib
import json
import socket
import threading

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image

pytestmark = pytest.mark.peer

STUDIES = 6


@pytest.fixture
def exchange(rabbitmq):
    return rabbitmq.new_exchange()


def settings(url, exchange, **more):
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-covid": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [{"name": "covid", "id": "c0", "command": ["true"]}],
        "events": {"url": url, "exchange": exchange, "heartbeat": 15},
        "log": {"format": "json"},
    } | more


def send(server, studies):
    with Sender(server.port) as sender:
        for study in studies:
            for number in range(2):
                uid = f"1.2.{study}.{number}"
                assert sender.store(uid, image(uid, b"pixels", study=f"1.2.{study}")) == Status.SUCCESS
        sender.release()


def health(server):
    return json.loads(server.command("status", "-o", "json"))


def is_told(server):
    """Whether all is done, and the broker has heard of it."""
    jobs = json.loads(server.command("jobs", "list", "-o", "json"))
    ended = [each["state"] for each in jobs] == ["succeeded"] * STUDIES
    return ended and health(server)["events"]["waiting"] == 0


def test_each_payload_is_told_of_once_also_those_of_an_outage(rabbitmq, exchange, tmp_path):
    queue = rabbitmq.queue(exchange, "md.workflow.request")
    with Wire(rabbitmq.port) as wire, engine(tmp_path / "a", **settings(wire.url, exchange)) as server:
        send(server, range(3))
        server.wait_for(lambda: len(queue.look()) == 3, 20)
        # Else the cut may come between the broker's word and ours.
        server.wait_for(lambda: health(server)["events"]["waiting"] == 0, 20)
        wire.cut()
        send(server, range(3, STUDIES))
        server.wait_for(lambda: health(server)["events"]["waiting"] == STUDIES - 3, 20)
        seen = health(server)
        assert (seen["status"], seen["services"]["events"]) == ("Healthy", "Faulted")
        assert "cannot be used" in seen["events"]["fault"]
        wire.is_cut = False
        server.wait_for(lambda: is_told(server), 40)
        assert health(server)["services"]["events"] == "Running"
        assert server.terminate() == 0
        told = {properties.message_id: json.loads(body) for properties, body in queue.look()}
        assert len(queue.messages) == len(told) == STUDIES
        for request in told.values():
            assert (request["workflows"], request["file_count"], request["bucket"]) == (["c0"], 2, "payloads")
            assert request["trigger"] == {"dataService": 1, "source": "PEER", "destination": "PORT104"}
            assert all((server.folder / each["path"]).is_file() for each in request["payload"])
        assert len({request["payload_id"] for request in told.values()}) == STUDIES


def test_what_is_asked_for_is_exported_once_and_answered(rabbitmq, exchange, tmp_path):
    """By a workflow manager that writes into the folder of the payload that it was told of."""
    told = rabbitmq.queue(exchange, "md.workflow.request")
    answers = rabbitmq.queue(exchange, "md.export.complete")
    dead = rabbitmq.named(f"md.export.request.{exchange}-dead-letter")
    with receiver(tmp_path / "pacs") as pacs:
        more = settings(rabbitmq.url, exchange)
        more["events"]["agent"] = exchange
        more["scu"] = {
            "destinations": [{"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": pacs.port}]
        }
        with engine(tmp_path / "a", **more) as server:
            send(server, [1])
            server.wait_for(told.look, 20)
            ((properties, body),) = told.messages
            paths = [each["path"] for each in json.loads(body)["payload"]]
            request = {
                "workflow_instance_id": "w1",
                "export_task_id": "t1",
                "correlation_id": properties.correlation_id,
                "files": [*paths, paths[0].replace("dcm", "none")],
                "destinations": ["PACS"],
            }
            rabbitmq.send(
                exchange, f"md.export.request.{exchange}", ("e1", request), ("e1", request), ("e2", [])
            )
            server.wait_for(answers.look, 30)
            server.wait_for(dead.look, 20)
            rabbitmq.send(exchange, f"md.export.request.{exchange}", ("e1", request))
            server.wait_for(lambda: health(server)["events"]["requests"] == 0, 20)
            assert server.terminate() == 0
        ((properties, body),) = answers.look()
        answer = json.loads(body)
        assert (answer["workflow_instance_id"], answer["export_task_id"], answer["status"]) == (
            *("w1", "t1"),
            "PartialFailure",
        )
        assert answer["file_statuses"] == dict(zip(request["files"], [0, 0, 4], strict=True))
        assert properties.correlation_id == request["correlation_id"]
        assert [properties.message_id for properties, _ in dead.messages] == ["e2"]
        assert len(pacs.stored_files()) == 2


@contextlib.contextmanager
def receiver(folder):
    """A destination: another port104."""
    with engine(folder, scp={"aeTitles": [{"aeTitle": "PACS"}]}) as server:
        yield server


class Wire:
    """Between engine and broker; it may be cut. `confirmed` is called, and nothing passed on, at a confirm.

    A confirm is Basic.Ack of the broker: a method frame with class 60, method 80 (AMQP 0-9-1 1.8.3.13).
    """

    _ACK = b"\x00\x3c\x00\x50"

    def __init__(self, port, confirmed=None):
        self._port = port
        self._confirmed = confirmed
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"amqp://guest:guest@127.0.0.1:{self._listening.getsockname()[1]}/"
        self.is_cut = False
        self._threads = []
        self._connections = []

    def __enter__(self):
        self._begin(self._accept)
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for each in self._connections:
            each.close()

    def cut(self):
        """End the connections that there are; until `is_cut` is false again there is no other."""
        self.is_cut = True
        for each in self._connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _begin(self, work, *arguments):
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._connections += [near, far]
                self._begin(self._relay, near, far, False)
                self._begin(self._relay, far, near, True)

    def _relay(self, source, target, is_brokers):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_brokers and self._confirmed is not None and self._ACK in data:
                    self._confirmed()
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def test_a_kill_between_the_brokers_word_and_ours_has_the_same_message_sent_again(
    rabbitmq, exchange, tmp_path
):
    queue = rabbitmq.queue(exchange)
    killed = threading.Event()
    engines = []

    def kill():
        engines[0].process.kill()
        killed.set()

    with (
        Wire(rabbitmq.port, kill) as between,
        engine(tmp_path / "a", **settings(between.url, exchange)) as server,
    ):
        engines.append(server)
        send(server, [1])
        assert killed.wait(20)
        server.process.wait(10)
    with engine(tmp_path / "a", **settings(rabbitmq.url, exchange)) as server:
        server.wait_for(lambda: len(queue.look()) == 2, 20)
        assert server.terminate() == 0
    (first, again) = queue.look()
    assert (first[0].message_id, first[1]) == (again[0].message_id, again[1])
    assert first[0].timestamp == again[0].timestamp


def test_of_two_engines_with_one_ledger_one_sends_each_message(rabbitmq, postgres, exchange, tmp_path):
    queue = rabbitmq.queue(exchange)
    shared = settings(rabbitmq.url, exchange, registry={"url": postgres.new_url()})
    with engine(tmp_path / "a", **shared) as one, engine(tmp_path / "b", **shared) as other:
        send(one, range(3))
        send(other, range(3, STUDIES))
        one.wait_for(lambda: is_told(one), 40)
        queue.look()
    assert len({properties.message_id for properties, _ in queue.messages}) == STUDIES
    assert len(queue.messages) == STUDIES
