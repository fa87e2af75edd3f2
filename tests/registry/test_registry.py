"""Which associations are admitted, and what a refusal says."""

import ipaddress
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.registry.addresses import is_among, parse_address, parse_network
from port104.registry.entries import LocalAE, Source
from port104.registry.registry import Admission, Refusal, Registry
from port104.wire.pdu import AssociateRJ

COVID = LocalAE(ae_title="COVIDAET", name="COVIDAET")
CT1 = Source(ae_title="CT1", hosts=("10.0.0.5",))
NETWORK = Source(ae_title="CT1", hosts=("10.1.0.0/16",))
SIX = Source(ae_title="CT1", hosts=("fd00::/8",))
NAMED = Source(ae_title="MYPACS", hosts=("pacs.local",))

UNKNOWN_CALLING = AssociateRJ(result=1, source=1, reason=3)
UNKNOWN_CALLED = AssociateRJ(result=1, source=1, reason=7)


def registry(**changes):
    entries = {"local_aes": [COVID], "sources": [CT1, NETWORK, SIX, NAMED]}
    return Registry(**(entries | changes))


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("10.0.0.5", CT1),
        ("::ffff:10.0.0.5", CT1),
        ("10.1.2.3", NETWORK),
        ("::ffff:10.1.2.3", NETWORK),
        ("fd12::1", SIX),
        ("fd12::1%eth0", SIX),
    ],
)
def test_a_known_source_is_admitted(address, source):
    assert registry().admit("COVIDAET", "CT1", address) == Admission(COVID, source)


@pytest.mark.parametrize("address", ["10.0.0.6", "10.2.0.1", "fe80::1", "::ffff:10.0.0.6", "::a00:5"])
def test_another_address_is_refused(address):
    refusal = registry().admit("COVIDAET", "CT1", address)
    assert isinstance(refusal, Refusal)
    assert refusal.reject == UNKNOWN_CALLING
    shown = ipaddress.ip_address(address.removeprefix("::ffff:"))
    hosts = "10.0.0.5, 10.1.0.0/16, fd00::/8"
    assert refusal.why == f'"CT1" may call from {hosts}, not from {shown}'


def test_an_unknown_caller_is_refused_and_told_how_to_get_in():
    refusal = registry().admit("COVIDAET", "CT2", "10.0.0.7")
    assert refusal == Refusal(
        UNKNOWN_CALLING,
        'calling AE title "CT2" is not among the sources',
        'add {"aeTitle": "CT2", "hostIp": "10.0.0.7"} to the sources'
        " (port104 create src, or dicom.scp.sources), or set dicom.scp.rejectUnknownSources to false",
    )


def test_an_unknown_called_ae_title_is_refused_and_told_how_to_get_in():
    refusal = registry().admit("NOSUCH", "CT1", "10.0.0.5")
    assert refusal == Refusal(
        UNKNOWN_CALLED,
        'called AE title "NOSUCH" is not among the local AE titles',
        'add {"aeTitle": "NOSUCH"} to the AE titles (port104 create aetitle, or dicom.scp.aeTitles),'
        ' or have the peer call "COVIDAET"',
    )


def test_the_caller_is_judged_first():
    refusal = registry().admit("NOSUCH", "CT2", "10.0.0.7")
    assert isinstance(refusal, Refusal)
    assert refusal.reject == UNKNOWN_CALLING


def test_without_local_aes_there_is_nothing_to_call():
    refusal = registry(local_aes=[]).admit("A", "CT1", "10.0.0.5")
    assert isinstance(refusal, Refusal)
    assert (
        refusal.hint
        == 'add {"aeTitle": "A"} to the AE titles (port104 create aetitle, or dicom.scp.aeTitles)'
    )


@pytest.mark.parametrize(
    ("calling", "address", "source"),
    [("CT1", "10.0.0.5", CT1), ("CT1", "10.9.9.9", None), ("WHO", "10.0.0.5", None)],
)
def test_when_unknown_sources_are_let_in(calling, address, source):
    lenient = registry(reject_unknown_sources=False)
    assert lenient.admit("COVIDAET", calling, address) == Admission(COVID, source)


def test_when_unknown_sources_are_let_in_the_called_ae_title_still_counts():
    refusal = registry(reject_unknown_sources=False).admit("NOSUCH", "WHO", "10.0.0.5")
    assert isinstance(refusal, Refusal)
    assert refusal.reject == UNKNOWN_CALLED


@pytest.mark.parametrize("title", ["ANY", "*", "", "ct1", "CT1 "])
def test_no_title_is_magic_and_all_are_compared_exactly(title):
    literal = registry(local_aes=[LocalAE(ae_title="ANY", name="ANY")])
    assert isinstance(literal.admit("COVIDAET", "CT1", "10.0.0.5"), Refusal)
    assert isinstance(registry().admit("COVIDAET", title, "10.0.0.5"), Refusal)
    assert isinstance(registry().admit(title, "CT1", "10.0.0.5"), Refusal)


def test_a_slip_in_the_case_is_pointed_out():
    calling = registry().admit("COVIDAET", "ct1", "10.0.0.5")
    called = registry().admit("CovidAET", "CT1", "10.0.0.5")
    assert isinstance(calling, Refusal)
    assert isinstance(called, Refusal)
    assert calling.why.endswith('; "CT1" is, and upper and lower case differ')
    assert called.why.endswith('; "COVIDAET" is, and upper and lower case differ')


def test_host_names_count_once_they_are_resolved():
    unresolved = registry()
    assert unresolved.host_names == ("pacs.local",)
    refusal = unresolved.admit("COVIDAET", "MYPACS", "10.0.0.9")
    assert isinstance(refusal, Refusal)
    assert "pacs.local (no address known)" in refusal.why

    resolved = unresolved.with_resolved({"pacs.local": ["10.0.0.9", "fd00::9"]})
    assert resolved.admit("COVIDAET", "MYPACS", "10.0.0.9") == Admission(COVID, NAMED)
    assert resolved.admit("COVIDAET", "MYPACS", "::ffff:10.0.0.9") == Admission(COVID, NAMED)
    assert resolved.admit("COVIDAET", "MYPACS", "fd00::9") == Admission(COVID, NAMED)
    assert resolved.admit("COVIDAET", "CT1", "10.0.0.5") == Admission(COVID, CT1)
    refusal = resolved.admit("COVIDAET", "MYPACS", "10.0.0.8")
    assert isinstance(refusal, Refusal)
    assert "pacs.local (10.0.0.9, fd00::9)" in refusal.why
    assert isinstance(unresolved.admit("COVIDAET", "MYPACS", "10.0.0.9"), Refusal)


def test_new_addresses_take_the_place_of_old_ones():
    first = registry().with_resolved({"pacs.local": ["10.0.0.9"]})
    second = first.with_resolved({"pacs.local": ["10.0.0.10"]})
    assert isinstance(second.admit("COVIDAET", "MYPACS", "10.0.0.9"), Refusal)
    assert isinstance(second.admit("COVIDAET", "MYPACS", "10.0.0.10"), Admission)
    third = second.with_resolved({"pacs.local": []})
    assert isinstance(third.admit("COVIDAET", "MYPACS", "10.0.0.10"), Refusal)


def test_long_lists_are_cut():
    titles = [LocalAE(ae_title=f"AE{number}", name="") for number in range(12)]
    refusal = registry(local_aes=titles).admit("X", "CT1", "10.0.0.5")
    assert isinstance(refusal, Refusal)
    assert refusal.hint.endswith('"AE9" and 2 more')


def test_what_is_no_address_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="pacs"):
        registry().admit("COVIDAET", "CT1", "pacs.local")


@given(st.text(max_size=16), st.text(max_size=16))
def test_refusals_are_printable_and_one_line(called, calling):
    for subject in (registry(), registry(reject_unknown_sources=False)):
        refusal = subject.admit(called, calling, "10.0.0.7")
        if isinstance(refusal, Refusal):
            assert (refusal.why + refusal.hint).isprintable()


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), min_size=1),
    st.ip_addresses(),
)
def test_a_hint_admits_the_peer(calling, address):
    refusal = registry(sources=[]).admit("COVIDAET", calling, str(address))
    assert isinstance(refusal, Refusal)
    entry = json.JSONDecoder().raw_decode(refusal.hint, len("add "))[0]
    helped = registry(sources=[Source(ae_title=entry["aeTitle"], hosts=(entry["hostIp"],))])
    assert isinstance(helped.admit("COVIDAET", calling, str(address)), Admission)


ENDS = {
    "both are open": ((), (), None),
    "the AE title's list": (("1.1", "1.2"), (), {"1.1", "1.2"}),
    "the peer's list": ((), ("1.1",), {"1.1"}),
    "what stands in both": (("1.1", "1.2"), ("1.2", "1.3"), {"1.2"}),
    "nothing stands in both": (("1.1",), ("1.2",), set()),
}


def admitted(source_lists, local_lists):
    local_ae = LocalAE(ae_title="COVIDAET", name="COVIDAET", **local_lists)
    source = Source(ae_title="CT1", hosts=("10.0.0.5",), **source_lists)
    verdict = registry(local_aes=[local_ae], sources=[source]).admit("COVIDAET", "CT1", "10.0.0.5")
    assert isinstance(verdict, Admission)
    return verdict


@pytest.mark.parametrize(("local", "source", "expected"), ENDS.values(), ids=ENDS)
def test_both_ends_may_narrow_what_is_allowed(local, source, expected):
    verdict = admitted({"allowed_sop_classes": frozenset(source)}, {"allowed_sop_classes": frozenset(local)})
    assert verdict.allowed_sop_classes == expected


def test_either_end_may_ignore():
    verdict = admitted(
        {"ignored_sop_classes": frozenset({"1.1", "1.2"})}, {"ignored_sop_classes": frozenset({"1.2", "1.3"})}
    )
    assert verdict.ignored_sop_classes == {"1.1", "1.2", "1.3"}


def test_an_unknown_source_has_the_lists_of_the_ae_title():
    local_ae = LocalAE(ae_title="A", name="A", allowed_sop_classes=frozenset({"1.1"}))
    verdict = registry(local_aes=[local_ae], reject_unknown_sources=False).admit("A", "WHO", "10.0.0.7")
    assert isinstance(verdict, Admission)
    assert verdict.allowed_sop_classes == {"1.1"}
    assert verdict.ignored_sop_classes == frozenset()


def test_of_several_sources_that_fit_the_first_one_counts():
    wide = Source(ae_title="CT1", hosts=("10.0.0.0/8",), allowed_sop_classes=frozenset({"1.1"}))
    for sources in ([CT1, wide], [wide, CT1]):
        verdict = registry(sources=sources).admit("COVIDAET", "CT1", "10.0.0.5")
        assert isinstance(verdict, Admission)
        assert verdict.source is sources[0]


class Shown(msgspec.Struct, frozen=True):
    """A certificate."""

    fingerprint: str = "aa"
    names: frozenset[str] = frozenset({"ct1.local"})


GUARDED = Source(ae_title="CT1", hosts=("10.0.0.5",), certificate_fingerprints=frozenset({"aa", "bb"}))
NAMED_GUARDED = Source(ae_title="CT1", hosts=("10.0.0.5",), certificate_names=frozenset({"ct1.local"}))


@pytest.mark.parametrize("source", [GUARDED, NAMED_GUARDED])
@pytest.mark.parametrize("lenient", [True, False])
def test_an_entry_with_a_certificate_wants_it_shown(source, lenient):
    guarded = registry(sources=[source], reject_unknown_sources=not lenient)
    assert guarded.admit("COVIDAET", "CT1", "10.0.0.5", Shown()) == Admission(COVID, source)
    for certificate, words in [
        (None, "showed none"),
        (Shown("cc", frozenset({"who"})), 'another certificate than its own: "who", SHA-256 cc'),
    ]:
        refusal = guarded.admit("COVIDAET", "CT1", "10.0.0.5", certificate)
        assert isinstance(refusal, Refusal)
        assert refusal.reject == UNKNOWN_CALLING
        assert words in refusal.why
        assert "dicom.scp" in refusal.hint


@pytest.mark.parametrize("lenient", [True, False])
def test_a_guarded_ae_title_is_nobodys_elsewhere(lenient):
    guarded = registry(sources=[GUARDED], reject_unknown_sources=not lenient)
    for certificate in (None, Shown()):
        assert isinstance(guarded.admit("COVIDAET", "CT1", "10.0.0.6", certificate), Refusal)
    others = guarded.admit("COVIDAET", "CT2", "10.0.0.6")
    assert isinstance(others, Admission) is lenient


def test_a_peer_with_a_certificate_is_not_asked_for_it_where_its_entry_names_none():
    assert registry().admit("COVIDAET", "CT1", "10.0.0.5", Shown()) == Admission(COVID, CT1)


def test_a_source_may_have_several_hosts():
    several = Source(ae_title="CT1", hosts=("10.0.0.5", "10.1.0.0/16", "pacs.local", "fd00::5"))
    known = registry(sources=[several]).with_resolved({"pacs.local": ["10.2.0.9"]})
    for address in ("10.0.0.5", "10.1.2.3", "10.2.0.9", "fd00::5"):
        assert known.admit("COVIDAET", "CT1", address) == Admission(COVID, several)
    refusal = known.admit("COVIDAET", "CT1", "10.0.0.6")
    assert isinstance(refusal, Refusal)
    assert "10.0.0.5, 10.1.0.0/16, pacs.local (10.2.0.9), fd00::5, not from 10.0.0.6" in refusal.why


def test_an_address_may_have_several_names():
    first = Source(ae_title="CT1", name="1", hosts=("a.local",))
    second = Source(ae_title="CT1", name="2", hosts=("b.local",), certificate_names=frozenset({"x"}))
    known = registry(sources=[second, first]).with_resolved(
        {"a.local": ["10.0.0.5"], "b.local": ["10.0.0.5"]}
    )
    assert known.admit("COVIDAET", "CT1", "10.0.0.5") == Admission(COVID, first)


HOSTS = st.one_of(
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(
        lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False))
    ),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(
        lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False))
    ),
    # Few addresses, so that something fits.
    st.sampled_from(
        ["10.0.0.1", "10.0.0.2", "10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "fd00::1", "a", "b"]
    ),
)
PEERS = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.1.1.1", "fd00::1", "::ffff:10.0.0.1", "192.0.2.1"]),
)
RESOLVED = {"a": ["10.0.0.1", "fd00::1"], "b": ["10.0.0.1", "192.0.2.1"]}


def holds(host, address):
    """The definition, without an index."""
    if host in RESOLVED:
        return parse_address(address) in {parse_address(found) for found in RESOLVED[host]}
    return is_among(address, [parse_network(host)])


@given(
    st.lists(st.tuples(st.sampled_from(["CT1", "CT2"]), st.lists(HOSTS, min_size=1, max_size=3)), max_size=6),
    PEERS,
)
def test_sources_are_found_as_if_one_were_looked_at_after_the_other(entries, address):
    sources = [
        Source(ae_title=title, name=str(number), hosts=tuple(hosts))
        for number, (title, hosts) in enumerate(entries)
    ]
    verdict = registry(sources=sources).with_resolved(RESOLVED).admit("COVIDAET", "CT1", address)
    expected = next(
        (
            each
            for each in sources
            if each.ae_title == "CT1" and any(holds(host, address) for host in each.hosts)
        ),
        None,
    )
    assert (verdict.source if isinstance(verdict, Admission) else None) == expected


def test_what_another_registry_knows_is_taken_over_where_it_is_the_same():
    first = registry()
    second = registry(sources=[*first.sources, Source(ae_title="CT2", hosts=("10.0.0.9",))], like=first)
    third = registry(sources=[NETWORK, NAMED], like=second)
    assert second._callers["CT1"] is first._callers["CT1"]
    assert isinstance(third.admit("COVIDAET", "CT1", "10.0.0.5"), Refusal)
    assert isinstance(third.admit("COVIDAET", "CT1", "10.1.0.5"), Admission)
    assert isinstance(third.admit("COVIDAET", "CT2", "10.0.0.9"), Refusal)
