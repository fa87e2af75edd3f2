"""A real PostgreSQL for tests: a cluster of its own, on loopback. From Debian's package postgresql."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from engine_process import free_port
from lacking import lacking

SECONDS = 30
USER, PASSWORD = "port104", "open sesame/104"
# Nothing here needs to survive more than the end of the server.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
}


def find_program(name):
    """A program of the newest version. Without it the test is skipped; in CI it fails."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if not found:
        lacking("PostgreSQL is not installed: make peers")
    return str(found[-1])


class Postgres:
    """A server. Use it in a with statement."""

    def __init__(self):
        self._names = map("t{}".format, itertools.count())
        self._folder = Path(tempfile.mkdtemp(prefix="port104-postgres-"))
        self._user = _another_user()
        self._process = None
        self.port = free_port()

    def __enter__(self):
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, password):
                os.chown(path, self._user, -1)
        self._run(
            find_program("initdb"),
            *("--pgdata", self._folder / "data", "--username", USER, "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._folder)

    def start(self):
        """Start it again, on the same port."""
        options = [f"--{name}={value}" for name, value in (SETTINGS | {"port": self.port}).items()]
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [find_program("postgres"), "-D", self._folder / "data", *options],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)

    def stop(self):
        """Let it end at once, as a machine that fails; connections are lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(SECONDS)
            self._process = None

    def url(self, *, password=PASSWORD, schema="public", port=None):
        """What to connect with."""
        secret = urllib.parse.quote(password, safe="")
        options = urllib.parse.quote(f"-csearch_path={schema}")
        return f"postgresql://{USER}:{secret}@127.0.0.1:{port or self.port}/postgres?options={options}"

    def new_url(self):
        """The URL of a database that is empty: a schema of its own."""
        schema = next(self._names)
        self.run(f"CREATE SCHEMA {schema}")
        return self.url(schema=schema)

    def run(self, sql):
        """Carry out a statement; returns its rows."""
        import psycopg  # noqa: PLC0415 - only where there is a server

        with contextlib.closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def dump(self, url):
        """What pg_dump writes of the database at a URL of `new_url`, as SQL."""
        return self._client("pg_dump", "--schema", _schema_of(url))

    def restore(self, url, dump):
        """Put a dump in the place of what is at its URL."""
        self.run(f"DROP SCHEMA {_schema_of(url)} CASCADE")
        self._client("psql", "--quiet", "--set", "ON_ERROR_STOP=1", stdin=dump)

    def end_connections(self):
        """End all of the product's, as a server or a firewall may at any time."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'port104'")

    def _answers(self):
        import psycopg  # noqa: PLC0415

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url()).close()
            return True
        return False

    def _run(self, *command):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, **self._as_user()
        )
        assert done.returncode == 0, done.stderr

    def _client(self, program, *options, stdin=""):
        place = ("--host", "127.0.0.1", "--port", str(self.port), "--username", USER, "--dbname", "postgres")
        done = subprocess.run(
            [find_program(program), *place, *options],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": PASSWORD},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _as_user(self):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        if self._user is None:
            return {"env": environment, "cwd": self._folder}
        return {"env": environment, "cwd": self._folder, "user": self._user, "extra_groups": []}


def _schema_of(url):
    return urllib.parse.unquote(url).rpartition("search_path=")[2]


def _another_user():
    """PostgreSQL refuses to run as root. None: we are nobody special."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return pwd.getpwnam("nobody").pw_uid
