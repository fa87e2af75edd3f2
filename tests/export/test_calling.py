"""A web server is asked at once, and it is said what is to be looked at."""

import ssl

import pytest

from port104.errors import ConfigurationError, Suspect
from port104.export.calling import Caller
from port104.export.dimse import DimseCaller
from port104.export.stow import WebCaller
from port104.registry.entries import Destination
from scripted_web_server import CLOSE, WebServer, answer, serving_web
from tls_peers import Site


def fail():
    raise ConfigurationError("there is no such certificate")


async def asked(url, tls=fail):
    caller = Caller(DimseCaller(calling_ae_title="ENGINE", tls=fail), WebCaller(tls=tls))
    found = await caller.verify(Destination(name="WEB", url=url))
    assert found.destination == "WEB"
    assert found.answered is (found.wrong is None)
    return found


async def test_one_that_answers():
    async with serving_web(WebServer()) as url:
        found = await asked(url)
    assert found.answered
    assert found.association_seconds >= 0
    assert found.echo_seconds >= 0


@pytest.mark.parametrize(
    ("options", "wrong"),
    [(answer(401), Suspect.SERVICE), (answer(301), Suspect.SERVICE), (CLOSE, Suspect.PEER)],
)
async def test_one_that_does_not(options, wrong):
    server = WebServer()
    server.options = options
    async with serving_web(server) as url:
        assert (await asked(url)).wrong is wrong


async def test_nobody_there(tmp_path):
    site = Site(tmp_path)
    async with serving_web(WebServer()) as url:
        assert (await asked(url.replace("http:", "https:"))).wrong is Suspect.TLS
    assert (await asked(url)).wrong is Suspect.PORT
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(site.certificate, site.key)
    async with serving_web(WebServer(), ours) as url:
        found = await asked(url, ssl.create_default_context)
    assert found.wrong is Suspect.TLS
    assert "certificate" in found.reason


async def test_a_destination_by_c_store_is_asked_as_before():
    caller = Caller(DimseCaller(calling_ae_title="ENGINE", tls=fail), WebCaller(tls=fail))
    found = await caller.verify(Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=1))
    assert found.wrong is Suspect.PORT
