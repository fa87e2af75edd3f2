"""The steps of the Dockerfile, carried out in a Debian of debootstrap; and what comes of it, run as a pod.

It needs root, debootstrap and packages from Debian and PyPI, and takes over a minute: `make image-check`.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import trustme
from pydicom.data import get_testdata_file

from chart.rendered import POD, Rendered
from image.dockerfile import build
from image.pod import mount_secret, prepare, started

START_SECONDS = 30
GROUP = 10104
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
# Each room, those of what is installed besides (PostgreSQL, messages, objects) too: none may lack a package.
EVERY_ROOM = """
import importlib, pkgutil, port104
for each in pkgutil.walk_packages(port104.__path__, "port104."):
    if not each.name.endswith("__main__"):
        importlib.import_module(each.name)
import obstore, pika, psycopg
psycopg.pq.version()
"""


@pytest.fixture(scope="module")
def folder():
    if os.environ.get("PORT104_IMAGE_STEPS") is None:
        pytest.skip("takes more than a minute: make image-check")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.fail("root and debootstrap are needed")
    # Not where devices or programs may be forbidden, as in /tmp.
    made = Path("/var/tmp") / f"port104-image-{os.getpid()}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def image(folder):
    """The last stage."""
    base = folder / "base"
    subprocess.run(["debootstrap", "--variant=minbase", "trixie", base], check=True)
    return build(base, folder)


@pytest.fixture
def volume(folder):
    made = folder / "pod"
    prepare(made, GROUP)
    yield made
    shutil.rmtree(made)


def run(image, *words):
    return subprocess.run(image.command([*words]), capture_output=True, text=True, check=False, timeout=30)


def wait_for(pod, condition):
    """Poll until it holds, as Kubernetes does."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert pod.runs(), pod.log
        assert time.monotonic() < deadline, pod.log
        time.sleep(0.1)


def probe(pod, rendered, name):
    """The exit code of a probe, or what it is answered."""
    given = rendered.container[name]
    if "exec" in given:
        return pod.run(*given["exec"]["command"]).returncode
    port = next(each["containerPort"] for each in rendered.container["ports"] if each["name"] == "api")
    return pod.run("python3", "-c", ASK, f"http://localhost:{port}{given['httpGet']['path']}").stdout.strip()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_has_what_runs_and_nothing_that_builds(image):
    assert run(image, "port104", "--version").stdout.startswith("port104, version ")
    imported = run(image, "/opt/port104/bin/python", "-I", "-W", "error", "-c", EVERY_ROOM)
    assert (imported.returncode, imported.stderr) == (0, "")
    for tool in ("gcc", "pip", "/opt/port104/bin/pip"):
        assert run(image, "which", tool).returncode != 0, tool


@pytest.mark.slow
def test_its_user_may_write_to_the_payloads_alone(image):
    found = run(image, "find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-path", "/proc/*")
    kept = ("/payloads", "/tmp", "/var/tmp", "/dev", "/run/lock", "/proc")
    assert [path for path in found.stdout.split() if not path.startswith(kept)] == []


@pytest.mark.slow
def test_a_pod_takes_studies_on_port_104_without_a_privilege(image, volume):
    """From the notes of the chart to results, with the probes of the chart, and to its end."""
    rendered = Rendered({})
    with started(image, rendered, volume) as pod:
        wait_for(pod, lambda: probe(pod, rendered, "readinessProbe") == 0)
        assert probe(pod, rendered, "livenessProbe") == 0
        assert "CapEff:\t0000000000000000\n" in Path(f"/proc/{pod.first.pid}/status").read_text()
        assert pod.run("port104", "echo", "127.0.0.1", "104", "-aec", "COVIDAET").returncode == 4
        command = 'sh -c "(sleep 0.1 &); cp $PORT104_INPUT/*.dcm $PORT104_OUTPUT/"'
        made = pod.run("port104", "create", "pipeline", "-n", "covid", "--command", command)
        words = (
            "create",
            "aetitle",
            "-a",
            "COVIDAET",
            "--timeout",
            "1",
            f"pipeline-covid={made.stdout.strip()}",
        )
        assert pod.run("port104", *words).returncode == 0, made.stderr
        assert pod.run("port104", "create", "src", "-a", "PORT104", "-i", "127.0.0.1").returncode == 0
        assert pod.run("port104", "echo", "127.0.0.1", "104", "-aec", "COVIDAET").returncode == 0
        shutil.copy(get_testdata_file("CT_small.dcm"), volume / "config")
        sent = pod.run("port104", "send", "127.0.0.1", "104", "-aec", "COVIDAET", "/etc/port104/CT_small.dcm")
        assert sent.returncode == 0, sent.stderr
        wait_for(pod, lambda: json.loads(pod.run("port104", "jobs", "list", "-o", "json").stdout))
        [job] = json.loads(pod.run("port104", "jobs", "list", "-o", "json").stdout)
        watched = pod.run("port104", "jobs", "watch", job["id"])
        assert watched.returncode == 0, (watched.stdout, pod.log)
        # Process 1 is port104 itself, and nothing that ended is left to it.
        assert [
            each for each in pod.first.children(recursive=True) if each.status() == psutil.STATUS_ZOMBIE
        ] == []
        assert pod.stop(rendered.pod["terminationGracePeriodSeconds"]) == 0, pod.log


@pytest.mark.slow
def test_the_api_is_exposed_once_there_is_a_token(image, volume):
    """What the notes tell: without one a pod says what is missing; the volume keeps the token."""
    exposed = Rendered({"api": {"expose": True, "tokenMade": True}})
    with started(image, exposed, volume) as pod:
        assert pod.wait(START_SECONDS) != 0
        assert "port104 token create" in pod.log
    with started(image, Rendered({}), volume) as pod:
        wait_for(pod, lambda: probe(pod, Rendered({}), "startupProbe") == 0)
        assert pod.run("port104", "token", "create", "ops", "--scope", "admin").returncode == 0
        assert pod.stop(START_SECONDS) == 0
    with started(image, exposed, volume) as pod:
        wait_for(pod, lambda: probe(pod, exposed, "readinessProbe") == "Healthy")
        assert probe(pod, exposed, "livenessProbe") == "Healthy"


@pytest.mark.slow
def test_secrets_and_a_volume_that_others_see_are_of_use(image, volume):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    files = {"tls.crt": chain, "tls.key": certificate.private_key_pem.bytes()}
    mount_secret(volume, "tls", files, GROUP)
    values = {
        "tls": {"existingSecret": "port104-dicom", "only": True},
        "persistence": {"existingClaim": "payloads"},
    }
    rendered = Rendered(values)
    with started(image, rendered, volume) as pod:
        authority.cert_pem.write_to_path(volume / "config" / "ca.pem")
        wait_for(pod, lambda: probe(pod, rendered, "readinessProbe") == 0)
        secured = ("--tls-authorities", "/etc/port104/ca.pem")
        assert pod.run("port104", "echo", "127.0.0.1", "2762", "-aec", "NOBODY", *secured).returncode == 4
        assert pod.run("port104", "echo", "127.0.0.1", "104", "-aec", "NOBODY").returncode == 3
        assert (volume / "payloads" / POD / "instances").is_dir()
        assert pod.stop(START_SECONDS) == 0, pod.log
