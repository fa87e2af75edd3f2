"""The walk-through of Clara's users, steps 3 to 7: by command line, and by REST.

The modality is DCMTK. Nothing is restarted: what is created and deleted holds for its next association.
"""

import http.client
import json

import pytest
from pydicom.data import get_testdata_file

from engine_process import engine, free_port
from peers import run_peer

pytestmark = pytest.mark.peer

NOBODY = {"aeTitles": [], "rejectUnknownSources": True}
CALLING = "Reason: Calling AE Title Not Recognized"


PATHS = {
    "aetitle": "claraaetitle",
    "src": "sourceaetitle",
    "dest": "destinationaetitle",
    "pipeline": "pipeline",
}


class CommandLine:
    """Registers by commands, which reach the engine by its control socket."""

    def __init__(self, server, port):
        self.run = server.command

    def create_ae_title(self):
        number = self.run("create", "pipeline", "-n", "covid", "--command", "true").rstrip()
        assert self.run("create", "aetitle", "-a", "COVIDAET", f"pipeline-covid={number}") == (
            'created AE title "COVIDAET"\n'
        )

    def create_source(self):
        assert self.run("create", "src", "-a", "MYPACS", "-i", "127.0.0.1") == 'created source "MYPACS"\n'

    def move_source(self, host):
        assert self.run("update", "src", "MYPACS", "-i", host) == 'updated source "MYPACS"\n'

    def delete_source(self):
        assert self.run("delete", "src", "MYPACS") == 'deleted source "MYPACS"\n'

    def create_destination(self):
        self.run("create", "dest", "-n", "MYPACS", "-a", "MYPACSAET", "-i", "127.0.0.1", "-p", "1104")

    def names(self, kind):
        return [line.split("\t")[0] for line in self.run("list", kind).splitlines()]

    def healthy(self):
        return self.run("status").splitlines()[0] == "status\tHealthy"


class Rest:
    """Registers by the paths and bodies that Clara's users have."""

    def __init__(self, server, port):
        self.port = port

    def ask(self, method, path, body=None, status=200):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == status, content
        return json.loads(content)

    def create(self, kind, **body):
        return self.ask("POST", f"/api/config/{PATHS[kind]}", body, 201)

    def create_ae_title(self):
        number = self.create("pipeline", name="covid", command=["true"])["id"]
        self.create("aetitle", aeTitle="COVIDAET", processorSettings={"pipeline-covid": number})

    def create_source(self):
        self.create("src", aeTitle="MYPACS", hostIp="127.0.0.1")

    def move_source(self, host):
        self.ask("PUT", "/api/config/sourceaetitle/MYPACS", {"aeTitle": "MYPACS", "hostIp": host})

    def delete_source(self):
        self.ask("DELETE", "/api/config/sourceaetitle/MYPACS")

    def create_destination(self):
        self.create("dest", name="MYPACS", aeTitle="MYPACSAET", hostIp="127.0.0.1", port=1104)

    def names(self, kind):
        return [each["name"] for each in self.ask("GET", f"/api/config/{PATHS[kind]}")]

    def healthy(self):
        return self.ask("GET", "/health/status")["status"] == "Healthy"


@pytest.mark.parametrize("register", [CommandLine, Rest])
def test_the_walk_through(tmp_path, register):
    port = free_port()
    with engine(tmp_path / "payloads", scp=NOBODY, api={"port": port}) as server:
        site = register(server, port)

        def called(program, *arguments):
            """What the modality MYPACS hears when it calls COVIDAET."""
            titles = ("-aet", "MYPACS", "-aec", "COVIDAET")
            code, output = run_peer(program, *titles, "127.0.0.1", server.port, *arguments)
            return "" if code == 0 else output

        site.create_ae_title()
        assert CALLING in called("echoscu")
        site.create_source()
        assert called("echoscu") == ""
        assert called("storescu", get_testdata_file("CT_small.dcm")) == ""
        assert len(server.stored_files()) == 1
        site.create_destination()
        assert [site.names(kind) for kind in ("pipeline", "aetitle", "src", "dest")] == [
            ["covid"],
            ["COVIDAET"],
            ["MYPACS"],
            ["MYPACS"],
        ]

        site.move_source("10.0.0.5")
        assert CALLING in called("echoscu")
        site.move_source("127.0.0.1")
        assert called("storescu", get_testdata_file("MR_small.dcm")) == ""
        assert len(server.stored_files()) == 2

        site.delete_source()
        assert CALLING in called("storescu", get_testdata_file("CT_small.dcm"))
        assert len(server.stored_files()) == 2
        assert site.names("src") == []
        assert site.healthy()
        assert server.terminate() == 0, "and it never was restarted"


def test_what_was_registered_is_there_after_a_restart_and_while_none_runs(tmp_path):
    folder = tmp_path / "payloads"
    for again in (False, True):
        with engine(folder, scp=NOBODY) as server:
            site = CommandLine(server, None)
            if not again:
                site.create_ae_title()
            titles = ("-aet", "MYPACS", "-aec", "COVIDAET")
            code, output = run_peer("echoscu", *titles, "127.0.0.1", server.port)
            assert (code == 0) is again, output
            assert server.terminate() == 0
        if not again:
            stored = site.run("create", "src", "-a", "MYPACS", "-i", "127.0.0.1")
            assert stored == (
                f'created source "MYPACS" (no port104 runs here; kept in {folder / "registry.sqlite3"})\n'
            )
