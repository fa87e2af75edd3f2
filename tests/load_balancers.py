"""Real load balancers for tests, on loopback: HAProxy and nginx, of Debian's packages."""

import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path

from engine_process import free_port
from lacking import lacking
from peers import find_peer

SECONDS = 20
PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def example(language, changes):
    """The page's configuration of a load balancer; `changes`: other words in place of some of it."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for word, other in changes.items():
        assert word in text, f"{word} does not stand in the example"
        text = text.replace(word, other)
    return text


@contextlib.contextmanager
def haproxy(folder, servers, changes):
    """Run HAProxy as the page has it, before two servers (address:port); gives the port that it listens on.

    `changes`: words of the example, and what stands in place of each.
    """
    port = free_port()
    places = dict(zip(("10.0.0.11:104", "10.0.0.12:104"), servers, strict=True))
    text = example("haproxy", places | {"bind :104": f"bind 127.0.0.1:{port}"} | changes)
    config = folder / "haproxy.cfg"
    config.write_text(text)
    with _running([find_peer("haproxy"), "-db", "-f", config], folder / "haproxy.log", port):
        yield port


@contextlib.contextmanager
def nginx(folder, servers):
    """Run nginx as the page has it; the rest as `haproxy`."""
    program, port = find_peer("nginx"), free_port()
    if not STREAM.exists():
        lacking("libnginx-mod-stream is not installed: make peers")
    places = dict(zip(("10.0.0.11:104", "10.0.0.12:104"), servers, strict=True))
    text = example("nginx", places | {"listen 104": f"listen 127.0.0.1:{port}"})
    log, config = folder / "nginx.log", folder / "nginx.conf"
    own = f"load_module {STREAM};\ndaemon off;\npid {folder}/nginx.pid;\nevents {{}}\n"
    config.write_text(own + text)
    with _running([program, "-e", log, "-p", folder, "-c", config], log, port):
        yield port


@contextlib.contextmanager
def _running(command, log, port):
    with log.open("a") as written:
        process = subprocess.Popen(
            list(map(str, command)), stdout=written, stderr=written, stdin=subprocess.DEVNULL
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
