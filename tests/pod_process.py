"""A port104 that is a pod of a stub's cluster, which runs its Jobs."""

import contextlib
import ssl
import sys

import trio
import trustme

from engine_process import Engine, own_environment, write_settings
from scripted_web_server import serving_web
from sender import send_images
from stub_cluster import POD

# Kubernetes has the account of a pod at one path, where these tests may not write.
LAUNCH = """
import functools, pathlib, sys
from port104.service import opening
account = pathlib.Path(sys.argv.pop(1))
opening.making_jobs = functools.partial(opening.making_jobs, account=account)
from port104.service.cli import main
sys.exit(main())
"""


@contextlib.asynccontextmanager
async def cluster(tmp_path, kind):
    """A node of that kind, made of the storage folder, and how to start an engine as a pod of it."""
    root = tmp_path / "storage"
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    account = tmp_path / "account"
    account.mkdir()
    authority.cert_pem.write_to_path(account / "ca.crt")
    (account / "namespace").write_text("imaging")
    (account / "token").write_text("first\n")
    node = kind(root)
    async with trio.open_nursery() as nursery, serving_web(node, context) as url:
        nursery.start_soon(node.run_jobs)
        port = url.removesuffix("/dicom-web").rpartition(":")[2]
        pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port, "POD_NAME": POD}
        yield node, (account, root, pod)
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def pod_of(place, settings):
    account, root, environ = place
    port, config, log = write_settings(root, **settings)
    with log.open("a") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", LAUNCH, str(account), "start", "-f", str(config)],
            stderr=stderr,
            env=own_environment() | environ,
        )
    server = Engine(process, port, root, log)
    try:
        await until(server, server.listens)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def until(server, condition, seconds=30):
    with trio.move_on_after(seconds) as scope:
        while not condition():
            assert server.process.poll() is None, server.log.read_text()
            await trio.sleep(0.01)
    assert not scope.cancelled_caught, server.log.read_text()


def send(server, *numbers):
    send_images(server.port, [f"1.2.3.{number}" for number in numbers])


def said(server, event):
    return [each for each in server.log_entries() if each["event"] == event]
