"""Proposals and their answers."""

import pydicom.uid
import pynetdicom.sop_class
import pytest
from pydicom.uid import UID_dictionary

from port104 import uids
from port104.wire.negotiation import (
    NegotiationPolicy,
    Rejection,
    Result,
    asks_for_storage,
    is_storage,
    negotiate,
    rejection_of,
)
from port104.wire.pdu import (
    AssociateRQ,
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    PresentationContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
JPEG = "1.2.840.10008.1.2.4.50"
IMPLICIT, EXPLICIT, BIG = (
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
)
TRANSFER_SYNTAXES = sorted(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax")
SOP_CLASSES = {
    uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] in ("SOP Class", "Meta SOP Class")
}
# By their names in PS3.6: services that manage what is stored are not storage.
SERVICES_OF_STORAGE = ("Storage Commitment", "Media Storage", "Stored Print Management")
STORAGE_CLASSES = sorted(
    uid
    for uid, name in SOP_CLASSES.items()
    if "Storage" in name and not any(service in name for service in SERVICES_OF_STORAGE)
)
NAMELESS = {uid for uid, name in SOP_CLASSES.items() if not name.strip()}  # retired, and never described
OTHER_CLASSES = sorted(SOP_CLASSES.keys() - {*STORAGE_CLASSES, *NAMELESS, uids.VERIFICATION})
# As pynetdicom sorts them into service classes.
NO_STORAGE_OF_PYNETDICOM = sorted(
    uid
    for name, classes in vars(pynetdicom.sop_class).items()
    if name.endswith("_CLASSES") and name not in ("_STORAGE_CLASSES", "_NON_PATIENT_OBJECT_CLASSES")
    for uid in classes.values()
    if isinstance(uid, str) and uid != uids.VERIFICATION
)


def request(*contexts, **information):
    return AssociateRQ("CALLED", "CALLING", contexts, UserInformation(**information))


def judge(abstract_syntax, *transfer_syntaxes, **policy):
    """(result, transfer syntax) of one proposed context."""
    answer = negotiate(
        request(PresentationContext(1, abstract_syntax, transfer_syntaxes)), NegotiationPolicy(**policy)
    )
    (context,) = answer.presentation_contexts
    assert context.id == 1
    return context.result, context.transfer_syntax


def answer(policy=None, **information):
    asked = request(PresentationContext(1, CT, (EXPLICIT,)), **information)
    return negotiate(asked, policy or NegotiationPolicy()).user_information


def test_there_are_classes_to_test():
    assert len(STORAGE_CLASSES) > 150
    assert len(OTHER_CLASSES) > 90
    assert len(NO_STORAGE_OF_PYNETDICOM) > 60


@pytest.mark.parametrize("uid", STORAGE_CLASSES)
def test_every_standard_storage_class_is_taken(uid):
    assert judge(uid, EXPLICIT) == (Result.ACCEPTANCE, EXPLICIT)


def test_every_storage_class_of_pynetdicom_is_taken():
    known = pynetdicom.sop_class._STORAGE_CLASSES | pynetdicom.sop_class._NON_PATIENT_OBJECT_CLASSES
    assert [uid for uid in known.values() if not is_storage(uid)] == []


@pytest.mark.parametrize("uid", sorted({*OTHER_CLASSES, *NO_STORAGE_OF_PYNETDICOM}))
def test_other_standard_classes_are_refused(uid):
    assert judge(uid, EXPLICIT)[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED


@pytest.mark.parametrize("uid", ["1.2.3.4", "1.3.12.2.1107.5.9.1", "2.25.1", "1.2.840.100080.1"])
def test_private_classes_are_taken_as_storage(uid):
    assert judge(uid, EXPLICIT) == (Result.ACCEPTANCE, EXPLICIT)


def test_the_standards_root_itself_is_no_private_class():
    assert judge("1.2.840.10008", EXPLICIT)[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED


@pytest.mark.parametrize("syntax", [*TRANSFER_SYNTAXES, "1.2.840.113619.5.2"])
def test_every_transfer_syntax_is_taken_as_proposed(syntax):
    assert judge(CT, syntax) == (Result.ACCEPTANCE, syntax)


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ((IMPLICIT, EXPLICIT), EXPLICIT),
        ((IMPLICIT, BIG), BIG),
        ((BIG, JPEG), JPEG),
        ((BIG,), BIG),
        ((BIG, IMPLICIT, EXPLICIT), EXPLICIT),
        ((JPEG, EXPLICIT), JPEG),
        ((EXPLICIT, JPEG), EXPLICIT),
        ((IMPLICIT, JPEG), JPEG),
        ((IMPLICIT,), IMPLICIT),
        (("bad", IMPLICIT), IMPLICIT),
    ],
)
def test_the_requestors_order_decides_but_implicit_is_last(proposed, chosen):
    assert judge(CT, *proposed) == (Result.ACCEPTANCE, chosen)


@pytest.mark.parametrize("abstract", ["", "1.2.a", "1.2\xff", "1." + "2" * 63, "../x"])
def test_a_malformed_abstract_syntax_is_refused(abstract):
    assert judge(abstract, EXPLICIT)[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED


@pytest.mark.parametrize("proposed", [(), ("1.2.a",), ("1" * 65,)])
def test_without_a_valid_transfer_syntax_a_context_is_refused(proposed):
    assert judge(CT, *proposed)[0] == Result.TRANSFER_SYNTAXES_NOT_SUPPORTED


def test_verification_takes_what_the_policy_says():
    only_implicit = frozenset({IMPLICIT})
    assert judge(uids.VERIFICATION, EXPLICIT, IMPLICIT) == (Result.ACCEPTANCE, EXPLICIT)
    assert judge(uids.VERIFICATION, JPEG)[0] == Result.TRANSFER_SYNTAXES_NOT_SUPPORTED
    assert judge(uids.VERIFICATION, EXPLICIT, IMPLICIT, verification_transfer_syntaxes=only_implicit) == (
        Result.ACCEPTANCE,
        IMPLICIT,
    )
    off = judge(uids.VERIFICATION, IMPLICIT, verification_transfer_syntaxes=frozenset())
    assert off[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED


def test_storage_commitment_is_accepted_where_the_policy_says_so():
    commitment = uids.STORAGE_COMMITMENT
    assert judge(commitment, IMPLICIT)[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
    on = {"storage_commitment": True}
    assert judge(commitment, JPEG, EXPLICIT, **on) == (Result.ACCEPTANCE, EXPLICIT)
    assert judge(commitment, JPEG, **on)[0] == Result.TRANSFER_SYNTAXES_NOT_SUPPORTED
    only_jpeg = frozenset({JPEG})
    assert judge(commitment, IMPLICIT, accepted_transfer_syntaxes=only_jpeg, **on)[0] == Result.ACCEPTANCE


def test_an_empty_list_allows_nothing_but_verification():
    assert judge(CT, EXPLICIT, allowed_sop_classes=frozenset())[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
    assert judge(uids.VERIFICATION, IMPLICIT, allowed_sop_classes=frozenset())[0] == Result.ACCEPTANCE


def test_allowed_sop_classes_exclude_all_others_but_verification():
    allowed = frozenset({CT})
    assert judge(CT, EXPLICIT, allowed_sop_classes=allowed)[0] == Result.ACCEPTANCE
    refused = judge("1.2.840.10008.5.1.4.1.1.7", EXPLICIT, allowed_sop_classes=allowed)
    assert refused[0] == Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
    assert judge(uids.VERIFICATION, IMPLICIT, allowed_sop_classes=allowed)[0] == Result.ACCEPTANCE


@pytest.mark.parametrize(
    ("contexts", "asks"),
    [
        ([(uids.VERIFICATION, EXPLICIT)], False),
        ([(uids.VERIFICATION, EXPLICIT), (CT, EXPLICIT)], True),
        ([("1.2.3.4", EXPLICIT)], True),  # private: taken as storage
        ([("1.2.840.10008.5.1.4.1.2.2.1", EXPLICIT)], False),  # query: refused
        ([(CT, "no UID")], False),
        ([("1.2.840.10008.5.1.4.1.1.4", EXPLICIT)], False),  # not among those allowed
    ],
)
def test_who_asks_for_storage(contexts, asks):
    policy = NegotiationPolicy(allowed_sop_classes=frozenset({CT, "1.2.3.4"}))
    proposed = [
        PresentationContext(1 + 2 * index, abstract, (syntax,))
        for index, (abstract, syntax) in enumerate(contexts)
    ]
    assert asks_for_storage(request(*proposed), policy) is asks


def test_results_have_the_standards_numbers():
    """PS3.8 table 9-18."""
    assert {result.name: result.value for result in Result} == {
        "ACCEPTANCE": 0,
        "USER_REJECTION": 1,
        "NO_REASON": 2,
        "ABSTRACT_SYNTAX_NOT_SUPPORTED": 3,
        "TRANSFER_SYNTAXES_NOT_SUPPORTED": 4,
    }


def test_every_context_is_answered_in_order():
    contexts = [PresentationContext(2 * n + 1, CT, (EXPLICIT,)) for n in range(128)]
    given = negotiate(request(*contexts), NegotiationPolicy())
    assert [context.id for context in given.presentation_contexts] == [one.id for one in contexts]
    assert (given.called_ae_title, given.calling_ae_title) == ("CALLED", "CALLING")


# ---- user information ----


def test_we_state_who_we_are_and_what_we_receive():
    stated = answer(NegotiationPolicy(maximum_length=4096))
    assert stated.maximum_length == 4096
    assert stated.implementation_class_uid == uids.IMPLEMENTATION_CLASS
    assert stated.implementation_version_name == uids.IMPLEMENTATION_VERSION
    assert pydicom.uid.UID(uids.IMPLEMENTATION_CLASS).is_valid
    assert len(uids.IMPLEMENTATION_VERSION) <= 16


@pytest.mark.parametrize(
    ("offered", "granted", "answered"),
    [(1, 1, 1), (16, 1, 1), (16, 8, 8), (4, 8, 4), (0, 8, 8), (0, 1, 1), (0xFFFF, 8, 8)],
)
def test_the_window_is_never_above_the_offer_or_the_grant(offered, granted, answered):
    window = AsynchronousOperationsWindow(offered, offered)
    stated = answer(
        NegotiationPolicy(operations_window=granted), asynchronous_operations_window=window
    ).asynchronous_operations_window
    assert stated == AsynchronousOperationsWindow(answered, 1)


def test_one_operation_is_granted_unless_the_policy_says_more():
    stated = answer(asynchronous_operations_window=AsynchronousOperationsWindow(0, 0))
    assert stated.asynchronous_operations_window == AsynchronousOperationsWindow(1, 1)


def test_what_was_not_asked_is_not_answered():
    stated = answer(user_identity=UserIdentity(1, False, b"user"))
    assert stated.asynchronous_operations_window is None
    assert stated.role_selections == ()
    assert stated.extended_negotiations == ()
    assert stated.user_identity is None
    assert stated.user_identity_response is None


@pytest.mark.parametrize("offered", [(True, True), (True, False), (False, True), (False, False)])
def test_only_the_scu_role_is_granted(offered):
    stated = answer(role_selections=(RoleSelection(CT, *offered),))
    assert stated.role_selections == (RoleSelection(CT, offered[0], False),)


def test_extended_negotiation_is_answered_for_storage_only():
    offered = (CT, uids.VERIFICATION, OTHER_CLASSES[0])
    offers = tuple(ExtendedNegotiation(uid, bytes(6)) for uid in offered)
    contexts = [PresentationContext(2 * n + 1, uid, (IMPLICIT,)) for n, uid in enumerate(offered)]
    stated = negotiate(request(*contexts, extended_negotiations=offers), NegotiationPolicy())
    assert stated.user_information.extended_negotiations == (ExtendedNegotiation(CT, b"\2\0\0\0\0\0"),)


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.7", OTHER_CLASSES[0], "../x"])
def test_offers_for_a_class_that_is_not_accepted_are_not_answered(uid):
    context = PresentationContext(3, uid, ())  # refused: it has no transfer syntax
    asked = request(
        context,
        role_selections=(RoleSelection(uid, True, True),),
        extended_negotiations=(ExtendedNegotiation(uid, bytes(6)),),
    )
    stated = negotiate(asked, NegotiationPolicy()).user_information
    assert (stated.role_selections, stated.extended_negotiations) == ((), ())


@pytest.mark.parametrize(
    "offers",
    [
        {"role_selections": 1900 * (RoleSelection(CT, True, True),)},
        {"extended_negotiations": 2000 * (ExtendedNegotiation(CT, b""),)},
    ],
    ids=lambda offers: next(iter(offers)),
)
def test_a_request_as_full_as_can_be_has_an_answer_that_fits(offers):
    asked = request(PresentationContext(1, CT, (EXPLICIT,)), **offers)
    assert len(asked.user_information.encode()) > 60_000
    given = negotiate(asked, NegotiationPolicy())
    (answered,) = getattr(given.user_information, *offers)
    assert answered.sop_class_uid == CT
    assert decode(2, given.encode()[6:]) == given


def test_an_offer_for_each_of_128_classes_has_an_answer_that_fits():
    classes = [f"1.2.{n}".ljust(64, "1") for n in range(1000, 1128)]
    asked = request(
        *(PresentationContext(2 * n + 1, uid, (EXPLICIT,)) for n, uid in enumerate(classes)),
        role_selections=tuple(RoleSelection(uid, True, True) for uid in classes),
        extended_negotiations=tuple(ExtendedNegotiation(uid, bytes(6)) for uid in classes),
    )
    given = negotiate(asked, NegotiationPolicy())
    assert len(given.user_information.role_selections) == 128
    assert len(given.user_information.extended_negotiations) == 128
    assert decode(2, given.encode()[6:]) == given


def test_common_extended_negotiation_is_never_answered():
    offer = CommonExtendedNegotiation(CT, "1.2.840.10008.4.2")
    assert answer(common_extended_negotiations=(offer,)).common_extended_negotiations == ()


# ---- rejection ----

GOOD = request(PresentationContext(1, CT, (EXPLICIT,)))


def changed(**fields):
    values = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__}
    return AssociateRQ(**(values | fields))


@pytest.mark.parametrize(
    ("asked", "rejection"),
    [
        (GOOD, None),
        (changed(protocol_version=3), None),
        (changed(protocol_version=0), Rejection.PROTOCOL_VERSION_NOT_SUPPORTED),
        (changed(protocol_version=2), Rejection.PROTOCOL_VERSION_NOT_SUPPORTED),
        (changed(application_context="1.2"), Rejection.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
        (changed(application_context=""), Rejection.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
        (changed(called_ae_title=""), Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (changed(called_ae_title="x\\"), Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (changed(called_ae_title="../x"), Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (changed(calling_ae_title="../"), Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (changed(calling_ae_title="x/.."), Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (changed(calling_ae_title="CT..1/A."), None),
        (changed(calling_ae_title="A\r\nB"), Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (changed(presentation_contexts=()), Rejection.NO_REASON_GIVEN),
    ],
    ids=str,
)
def test_what_the_standard_alone_rejects(asked, rejection):
    assert rejection_of(asked) is rejection


def test_rejections_have_the_standards_numbers_and_words():
    numbers = {one.name: (one.value.result, one.value.source, one.value.reason) for one in Rejection}
    assert numbers == {
        "NO_REASON_GIVEN": (1, 1, 1),
        "APPLICATION_CONTEXT_NAME_NOT_SUPPORTED": (1, 1, 2),
        "CALLING_AE_TITLE_NOT_RECOGNIZED": (1, 1, 3),
        "CALLED_AE_TITLE_NOT_RECOGNIZED": (1, 1, 7),
        "USER_NOT_IDENTIFIED": (1, 2, 1),
        "PROTOCOL_VERSION_NOT_SUPPORTED": (1, 2, 2),
        "TEMPORARY_CONGESTION": (2, 3, 1),
        "LOCAL_LIMIT_EXCEEDED": (2, 3, 2),
    }
    assert Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED.words == "called AE title not recognized"


@pytest.mark.parametrize(
    ("asked", "identified", "response"),
    [(True, True, b""), (False, True, None), (True, False, None), (None, True, None)],
)
def test_a_user_identity_is_answered_where_it_is_right_and_asked_for(asked, identified, response):
    identity = None if asked is None else UserIdentity(2, asked, b"ct1", b"secret")
    request = AssociateRQ("A", "B", (), UserInformation(user_identity=identity))
    answer = negotiate(request, NegotiationPolicy(user_identified=identified))
    assert answer.user_information.user_identity_response == response


def test_a_local_ae_may_accept_some_transfer_syntaxes_only():
    accepted = {"accepted_transfer_syntaxes": frozenset({JPEG, IMPLICIT})}
    assert judge(CT, EXPLICIT, JPEG, IMPLICIT, **accepted) == (Result.ACCEPTANCE, JPEG)
    assert judge("1.2.3.4", EXPLICIT, IMPLICIT, **accepted) == (Result.ACCEPTANCE, IMPLICIT)
    assert judge(CT, EXPLICIT, BIG, **accepted) == (Result.TRANSFER_SYNTAXES_NOT_SUPPORTED, EXPLICIT)


def test_verification_has_transfer_syntaxes_of_its_own():
    accepted = {"accepted_transfer_syntaxes": frozenset({JPEG})}
    assert judge(uids.VERIFICATION, JPEG, IMPLICIT, **accepted) == (Result.ACCEPTANCE, IMPLICIT)


def test_what_has_no_acceptable_transfer_syntax_asks_for_no_storage():
    asked = request(
        PresentationContext(1, CT, (EXPLICIT,)), PresentationContext(3, uids.VERIFICATION, (IMPLICIT,))
    )
    assert asks_for_storage(asked, NegotiationPolicy())
    assert not asks_for_storage(asked, NegotiationPolicy(accepted_transfer_syntaxes=frozenset({JPEG})))
