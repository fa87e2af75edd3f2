"""A destination by STOW-RS: everything that may go wrong there is said in the words of delivery."""

import contextlib
import os
import re
import ssl

import pytest
import trio

from part10_files import descriptors, write_file
from port104.errors import ConfigurationError
from port104.export import stow
from port104.export.contracts import BrokenOffError, UnreachableError, UnsendableError
from port104.export.stow import MOST_TOGETHER, WebCaller
from port104.export.verdicts import Answered, BrokenOff, Unsendable
from port104.net.calling import Timeouts
from port104.net.https import build_https_context
from port104.registry.entries import Destination
from scripted_web_server import CLOSE, HANG, WebServer, answer, serving_web, stored
from tls_peers import Site

QUICK = Timeouts(connect=5.0, associate=0.2, send=0.2, response=0.2)
DONE = Answered(0)


def fail():
    raise ConfigurationError("there is no such certificate")


def calling(url, paths=(), *, tls=fail, timeouts=QUICK, **facts):
    return WebCaller(tls=tls, timeouts=timeouts).open(Destination(name="WEB", url=url, **facts), paths)


@contextlib.asynccontextmanager
async def called(server, paths=(), **facts):
    async with serving_web(server) as url, calling(url, paths, **facts) as peer:
        yield peer


async def all_of(peer, paths):
    """As who sends does: on and on, until none is left."""
    answers = []
    while len(answers) < len(paths):
        try:
            answers += await peer.store(iter(paths[len(answers) :]))
        except UnsendableError as fault:
            answers.append(Unsendable(str(fault), fault.final))
        except BrokenOffError as fault:
            return [*answers, BrokenOff(str(fault))]
    return answers


def files(folder, count=3, **facts):
    return [write_file(folder, f"1.2.{number}", **facts) for number in range(count)]


async def test_files_go_in_one_request_as_they_are_and_each_has_its_outcome(tmp_path):
    paths = files(tmp_path)
    server = WebServer(stored("1.2.0", failed=[("1.2.1", 0xA900)], warnings=[("1.2.2", 0xB000)], status=202))
    async with called(server, paths) as peer:
        assert await peer.store(paths) == [DONE, Answered(0xA900), Answered(0xB000)]
    options, post = server.requests
    assert (options.method, options.target) == ("OPTIONS", "/dicom-web/studies")
    assert (post.target, post.headers["accept"]) == ("/dicom-web/studies", "application/dicom+json")
    assert post.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert post.parts == [path.read_bytes() for path in paths]
    assert "authorization" not in post.headers
    assert server.connections == 1


async def test_a_request_holds_no_more_than_some(tmp_path, monkeypatch):
    paths = files(tmp_path, MOST_TOGETHER + 3)
    server = WebServer(*[answer()] * 9)
    async with called(server, paths) as peer:
        assert await all_of(peer, paths) == [DONE] * len(paths)
        assert [len(each.parts) for each in server.posted] == [MOST_TOGETHER, 3]
        monkeypatch.setattr(stow, "_MOST_BYTES", 2 * paths[0].stat().st_size)
        assert len(await peer.store(paths)) == 2
        monkeypatch.setattr(stow, "_MOST_BYTES", 1)
        assert len(await peer.store(paths)) == 1
        assert len(await peer.store([paths[0], paths[0]])) == 1, "an answer is about one file"


async def test_a_long_file_is_read_a_piece_at_a_time(tmp_path):
    path = write_file(tmp_path, "1.2.3", 3_000_001)
    server = WebServer(stored("1.2.3"))
    async with called(server, [path], timeouts=Timeouts()) as peer:
        assert await peer.store([path]) == [DONE]
    assert server.posted[0].parts == [path.read_bytes()]


async def test_what_cannot_be_sent_does_not_take_others_with_it(tmp_path):
    (text := tmp_path / "text").write_text("no DICOM")
    paths = [*files(tmp_path, 2), tmp_path / "gone", text, write_file(tmp_path, "1.2.9")]
    server = WebServer(answer(), answer())
    async with called(server, paths) as peer:
        first, second, gone, no_dicom, last = await all_of(peer, paths)
    assert (first, second, last) == (DONE,) * 3
    assert gone == Unsendable("its file is gone", final=True)
    assert "no DICOM file" in no_dicom.why
    assert no_dicom.final


async def test_files_that_change_while_they_are_sent(tmp_path, monkeypatch):
    paths = files(tmp_path, 2, size=900_000)
    look_at = stow._parts_of

    def look_and_cut(*arguments):
        parts = look_at(*arguments)
        os.truncate(paths[1], 300_000)
        return parts

    before = descriptors()
    server = WebServer(answer(), answer())
    async with called(server, paths, timeouts=Timeouts()) as peer:
        monkeypatch.setattr(stow, "_parts_of", look_and_cut)
        assert await peer.store(paths) == [DONE], "told of alone"
        monkeypatch.setattr(stow, "_parts_of", look_at)
        part = stow._part_of(paths[1])
        monkeypatch.setattr(stow, "_parts_of", lambda *_: [stow.Part(part.path, part.size + 1, "1.2.1")])
        with pytest.raises(BrokenOffError, match="its file cannot be read on: it is shorter than it was"):
            await peer.store(paths[1:])
    assert descriptors() == before


@pytest.mark.parametrize("fault", [CLOSE, HANG, answer(500), answer(400), b"no HTTP at all\r\n\r\n"])
async def test_after_a_request_that_came_to_nothing_each_is_sent_alone(tmp_path, fault):
    paths = files(tmp_path, 4)

    def second_is_bad(request):
        return fault if paths[1].read_bytes() in request.parts else answer()

    server = WebServer(*[second_is_bad] * 9)
    async with called(server, paths) as peer:
        answers = await all_of(peer, paths)
        assert answers[0] == DONE
        assert isinstance(answers[1], BrokenOff | Unsendable)
        if len(answers) == 4:  # else delivery connects anew
            assert answers[2:] == [DONE, DONE]
            assert [len(each.parts) for each in server.posted] == [4, 1, 1, 1, 1]
            assert await peer.store(paths[2:]) == [DONE, DONE], "and the next ones together again"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (HANG, r"POST: it did not answer in time|did not answer within 0\.2 s"),
        (CLOSE, "POST: it does not speak HTTP as it should"),
        (b"\0\1\r\n\r\n", "POST: it does not speak HTTP as it should"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", r"did not answer within 0\.2 s"),
        (answer(200, bytes(2 * 1024 * 1024)), "its answer is longer than 1048576 bytes"),
        (answer(500), r"answered 500 \(Internal Server Error\)"),
    ],
)
async def test_no_answer_for_one(tmp_path, act, words):
    path = write_file(tmp_path, "1.2.3")
    async with called(WebServer(act), [path]) as peer:
        (found,) = await all_of(peer, [path])
    assert isinstance(found, BrokenOff)
    assert re.search(words, found.why), found.why


async def test_a_server_that_takes_no_byte(tmp_path):
    path = write_file(tmp_path, "1.2.3", 40_000_000)

    async def deaf(stream):
        await stream.receive_some(65_536)
        await stream.send_all(answer(405))
        await trio.sleep_forever()

    async with called(deaf, [path]) as peer:
        with pytest.raises(BrokenOffError, match=r"it took no byte for 0\.2 s"):
            await peer.store([path])


async def test_a_server_that_refuses_before_it_has_all(tmp_path):
    path = write_file(tmp_path, "1.2.3", 40_000_000)

    async def hasty(stream):
        await stream.receive_some(65_536)
        await stream.send_all(answer(405))
        await stream.receive_some(65_536)
        await stream.send_all(answer(413, b"", "Connection: close"))
        await trio.sleep(0.05)

    async with called(hasty, [path], timeouts=Timeouts()) as peer:
        (found,) = await all_of(peer, [path])
    assert isinstance(found, Unsendable | BrokenOff), "what comes first, the answer or a broken pipe"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (302, r"it answered 302 \(Found\): it sends elsewhere, which is not followed"),
        (401, "wants to know who calls: see tokenFile"),
        (403, "does not let us store"),
        (404, "has no STOW-RS service there"),
        (503, "cannot take anything now"),
        (507, "cannot take anything now"),
    ],
)
async def test_what_is_the_destinations_own_fault(tmp_path, status, words):
    paths = files(tmp_path)
    server = WebServer(answer(status, b"secret words", "Location: http://127.0.0.1:1/elsewhere"))
    async with called(server, paths) as peer:
        with pytest.raises(UnreachableError, match=words) as refused:
            await peer.store(paths)
    assert "secret" not in str(refused.value)
    assert len(server.posted) == 1


@pytest.mark.parametrize("status", [200, 204, 403, 404, 405, 500, 501])
async def test_whoever_answers_options_is_there(status):
    server = WebServer()
    server.options = answer(status)
    async with called(server) as peer:
        await peer.echo()
    (request,) = server.requests
    assert (request.method, request.target) == ("OPTIONS", "/dicom-web/studies")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (answer(401), "wants to know who calls"),
        (answer(503), "cannot take anything now"),
        (answer(308), "sends elsewhere"),
        (CLOSE, "OPTIONS: it does not speak HTTP"),
        (HANG, "OPTIONS: it did not answer in time"),
    ],
)
async def test_who_is_not_there_is_sent_nothing(tmp_path, options, words):
    server = WebServer()
    server.options = options
    async with serving_web(server) as url:
        with pytest.raises((UnreachableError, BrokenOffError), match=words):
            async with calling(url, files(tmp_path)):
                pass
    assert server.posted == []


async def test_a_server_that_is_gone(tmp_path):
    paths = files(tmp_path)
    async with serving_web(WebServer()) as url:
        pass
    with pytest.raises(UnreachableError, match="it cannot be reached: Connection refused"):
        async with calling(url, paths):
            pass
    async with calling(url) as peer:
        with pytest.raises(UnreachableError):
            await peer.store(paths)


async def test_over_tls_with_certificates_of_both_sides(tmp_path):
    site = Site(tmp_path)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=site.authorities)
    ours.load_cert_chain(site.certificate, site.key)
    ours.verify_mode = ssl.CERT_REQUIRED

    def tls():
        return build_https_context(authorities=site.authorities, own=site.files())

    path = write_file(tmp_path, "1.2.3")
    server = WebServer(answer())
    async with serving_web(server, ours) as url:
        async with calling(url, [path], tls=tls) as peer:
            assert await peer.store([path]) == [DONE]
        with pytest.raises(
            UnreachableError, match=r"certificate is not good .* dicom\.scu\.tls\.certificateAuth"
        ):
            async with calling(url, [path], tls=lambda: build_https_context(authorities=None, own=None)):
                pass
        with pytest.raises(UnreachableError, match="there is no such certificate"):
            async with calling(url, [path]):
                pass


def test_tls_files_that_cannot_be_used(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.pem cannot be read"):
        build_https_context(authorities=tmp_path / "none.pem", own=None)


async def test_who_calls_is_told_by_files_that_are_read_each_time(tmp_path):
    token, headers = tmp_path / "token", tmp_path / "headers"
    token.write_text("abc.def-1==\n")
    headers.write_text("\nX-Api-Key: a b\nX-Site:7\n")
    server = WebServer()
    async with serving_web(server) as url:
        for _ in range(2):
            facts = {"token_file": str(token), "headers_file": str(headers)}
            async with calling(url, **facts) as peer:
                await peer.echo()
            token.write_text("renewed")
    first, second = server.requests
    assert first.headers["authorization"] == "Bearer abc.def-1=="
    assert (first.headers["x-api-key"], first.headers["x-site"]) == ("a b", "7")
    assert second.headers["authorization"] == "Bearer renewed"


@pytest.mark.parametrize(
    ("token", "headers", "words"),
    [
        ("two words", None, "holds no bearer token"),
        ("", None, "holds no bearer token"),
        ("geheim\u00e4", None, "must be ASCII"),
        ("x" * 70_000, None, "65536 bytes at most"),
        (None, "secret", "line 1 of .* is no header"),
        (None, "A: b\nNäme: secret", "must be ASCII"),
        (None, "A: b\nContent-Length: 7", "line 2 of .* is a header that port104 sets"),
        ("secret", "authorization: Basic secret", "has an Authorization too"),
    ],
)
async def test_files_of_who_calls_that_cannot_be_used(tmp_path, token, headers, words):
    facts = {}
    for name, content in (("token", token), ("headers", headers)):
        facts[f"{name}_file"] = None if content is None else str(tmp_path / name)
        (tmp_path / name).write_text(content or "", "utf-8")
    with pytest.raises(UnreachableError, match=words) as fault:
        async with calling("http://127.0.0.1:1", **facts):
            pass
    assert "secret" not in str(fault.value)


async def test_a_file_of_who_calls_that_is_not_there():
    with pytest.raises(
        UnreachableError, match=r"its tokenFile cannot be read: No such file or directory \(/none"
    ):
        async with calling("http://127.0.0.1:1", token_file="/none/at/all"):
            pass
