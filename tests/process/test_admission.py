"""Who may come in, from outside: users, and the lists of a source."""

import socket

import pytest

from cheap_hash import cheap
from engine_process import engine
from port104.wire.command import Status
from port104.wire.items import UserIdentity
from port104.wire.pdu import AssociateAC, AssociateRJ, UserInformation, decode
from raw_peer import association_request
from sender import Sender, image


def associate(server, identity=None, *, before=b"", **changes):
    """What a request is answered with."""
    information = UserInformation(maximum_length=16384, user_identity=identity)
    sender = Sender.__new__(Sender)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        sender.socket = connection
        connection.sendall(before + association_request(user_information=information, **changes).encode())
        return decode(*sender.read_pdu())


def log_of(server, event, fits=lambda entry: True):
    def found():
        return [entry for entry in server.log_entries() if entry["event"] == event and fits(entry)]

    server.wait_for(found)
    return found()


NOT_IDENTIFIED = AssociateRJ(1, 2, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admission")
    (folder / "users").write_text(f"ct1:{cheap(b'open sesame').encode()}\n")
    scp = {"userIdentity": {"mode": "required", "passcodeFile": str(folder / "users")}}
    with engine(folder / "storage", scp=scp) as started:
        yield started


@pytest.mark.parametrize(
    "identity",
    [
        None,
        UserIdentity(1, True, b"ct1"),
        UserIdentity(2, True, b"ct1", b"open says me"),
        UserIdentity(2, False, b"\x1b]0;evil\r\n../../etc", b"open sesame"),
        UserIdentity(3, True, b"ticket"),
        UserIdentity(4, True, b"<saml/>"),
        UserIdentity(5, True, b"a.b.c"),
    ],
    ids=lambda identity: "none" if identity is None else f"type {identity.type}",
)
def test_who_is_not_identified_is_rejected(server, identity):
    assert associate(server, identity) == NOT_IDENTIFIED


@pytest.mark.parametrize("asked", [False, True])
def test_who_is_identified_comes_in_and_is_told_where_asked(server, asked):
    answer = associate(server, UserIdentity(2, asked, b"ct1", b"open sesame"))
    assert isinstance(answer, AssociateAC)
    assert answer.user_information.user_identity_response == (b"" if asked else None)


def test_logs_name_the_user_and_no_passcode(server):
    associate(server, UserIdentity(2, True, b"ct1", b"open sesame"))
    associate(server, UserIdentity(2, True, b"\x1b]0;x\r\n", b"open says me"))
    lost = log_of(server, "association connection lost", lambda entry: entry.get("user") == "ct1")
    assert lost
    words = r'no user "\u001b]0;x\r\n" with this passcode (1/2/1)'
    rejected = log_of(server, "association rejected", lambda entry: entry["reason"] == words)
    assert rejected[-1]["hint"]
    text = server.log.read_text()
    assert "open sesame" not in text
    assert "open says me" not in text
    assert "\x1b" not in text


def test_the_address_and_titles_are_judged_before_the_user(server):
    assert associate(server, called_ae_title="NOSUCH") == AssociateRJ(1, 1, 7)


def test_a_source_has_lists_of_its_own(tmp_path):
    capture = "1.2.840.10008.5.1.4.1.1.7"
    sources = [
        {"aeTitle": "PEER", "hostIp": "127.0.0.0/8", "allowedSopClasses": ["1.2.840.10008.5.1.4.1.1.2"]},
        {"aeTitle": "OTHER", "hostIp": "127.0.0.1", "ignoredSopClasses": [capture]},
    ]
    scp = {"sources": sources, "rejectUnknownSources": True}
    with engine(tmp_path / "storage", scp=scp) as server:
        refused = associate(server)
        assert [context.result for context in refused.presentation_contexts] == [0, 3]
        with Sender(server.port, calling_ae_title="OTHER") as sender:
            assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
            sender.release()
        assert server.stored_files() == []
        entry = log_of(server, "association released")[0]
        assert entry["ignored"] == 1


def test_the_size_limit_of_an_ae_title_wins(tmp_path):
    titles = [{"aeTitle": "PORT104"}, {"aeTitle": "LARGE", "maximumObjectSize": 0}]
    with engine(tmp_path / "storage", scp={"aeTitles": titles, "maximumObjectSize": 1000}) as server:
        for called, status in [("PORT104", Status.OUT_OF_RESOURCES), ("LARGE", Status.SUCCESS)]:
            with Sender(server.port, called_ae_title=called) as sender:
                assert sender.store("1.2.1", image("1.2.1", bytes(2000))) == status
        assert len(server.stored_files()) == 1


def test_behind_a_load_balancer_the_real_address_is_judged(tmp_path):
    scp = {
        "rejectUnknownSources": True,
        "sources": [{"aeTitle": "PEER", "hostIp": "10.1.0.0/16"}],
        "proxyProtocol": {"from": ["127.0.0.0/24"]},
    }
    with engine(tmp_path / "storage", scp=scp) as server:
        for address, expected in [("10.1.2.3", AssociateAC), ("10.2.2.3", AssociateRJ)]:
            header = f"PROXY TCP4 {address} 10.0.0.1 40000 104\r\n".encode()
            assert isinstance(associate(server, before=header), expected)
        (rejected,) = log_of(server, "association rejected")
        assert rejected["address"] == "10.2.2.3"
