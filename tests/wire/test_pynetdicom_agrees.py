"""pynetdicom as the other opinion: it writes the bytes that we write, and reads in ours what we meant.

Its primitives are filled from our structs field by field, so that its own encoders are the oracle.
"""

import pynetdicom.pdu as theirs
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu_primitives
from pynetdicom.presentation import PresentationContext as TheirContext

from port104.wire.pdu import PDV, Abort, AssociateRJ, PDataTF, ReleaseRP, ReleaseRQ, decode
from wire_strategies import context_ids, valid_accepts, valid_requests


def filled(primitive, **values):
    for name, value in values.items():
        setattr(primitive, name, value)
    return primitive


def their_context(context_id, transfer_syntaxes, **values):
    made = filled(TheirContext(), context_id=context_id, **values)
    for uid in transfer_syntaxes:
        made.add_transfer_syntax(uid)
    return made


def their_information(ours):
    """Our user information as pynetdicom's primitives, in ascending order of the sub-items' types."""
    yield filled(pdu_primitives.MaximumLengthNotification(), maximum_length_received=ours.maximum_length)
    yield filled(
        pdu_primitives.ImplementationClassUIDNotification(),
        implementation_class_uid=ours.implementation_class_uid,
    )
    if window := ours.asynchronous_operations_window:
        yield filled(
            pdu_primitives.AsynchronousOperationsWindowNegotiation(),
            maximum_number_operations_invoked=window.invoked,
            maximum_number_operations_performed=window.performed,
        )
    for role in ours.role_selections:
        yield filled(
            pdu_primitives.SCP_SCU_RoleSelectionNegotiation(),
            sop_class_uid=role.sop_class_uid,
            scu_role=role.scu_role,
            scp_role=role.scp_role,
        )
    if name := ours.implementation_version_name:
        yield filled(pdu_primitives.ImplementationVersionNameNotification(), implementation_version_name=name)
    for offer in ours.extended_negotiations:
        yield filled(
            pdu_primitives.SOPClassExtendedNegotiation(),
            sop_class_uid=offer.sop_class_uid,
            service_class_application_information=offer.application_information,
        )
    for offer in ours.common_extended_negotiations:
        yield filled(
            pdu_primitives.SOPClassCommonExtendedNegotiation(),
            sop_class_uid=offer.sop_class_uid,
            service_class_uid=offer.service_class_uid,
            related_general_sop_class_identification=list(offer.related),
        )
    if identity := ours.user_identity:
        yield filled(
            pdu_primitives.UserIdentityNegotiation(),
            user_identity_type=identity.type,
            positive_response_requested=identity.positive_response_requested,
            primary_field=identity.primary,
            secondary_field=identity.secondary,
        )
    if (response := ours.user_identity_response) is not None:
        yield filled(pdu_primitives.UserIdentityNegotiation(), server_response=response)


def their_associate(ours, **contexts):
    return filled(
        pdu_primitives.A_ASSOCIATE(),
        called_ae_title=ours.called_ae_title,
        calling_ae_title=ours.calling_ae_title,
        application_context_name=ours.application_context,
        user_information=list(their_information(ours.user_information)),
        **contexts,
    )


def their_request(ours):
    contexts = [
        their_context(context.id, context.transfer_syntaxes, abstract_syntax=context.abstract_syntax)
        for context in ours.presentation_contexts
    ]
    return their_associate(ours, presentation_context_definition_list=contexts)


def their_accept(ours):
    results = [
        their_context(answer.id, [answer.transfer_syntax], result=answer.result)
        for answer in ours.presentation_contexts
    ]
    return their_associate(ours, presentation_context_definition_results_list=results)


def written(pdu, primitive):
    """The bytes that pynetdicom writes."""
    pdu.from_primitive(primitive)
    return pdu.encode()


def read_by_them(pdu, encoded):
    """What pynetdicom reads, as the primitive that it hands to its user."""
    pdu.decode(encoded)
    return pdu.to_primitive()


def fields(primitive):
    """A primitive's values, down to plain ones, to compare two of them."""
    if isinstance(primitive, list):
        return [fields(one) for one in primitive]
    if hasattr(primitive, "__dict__") and not isinstance(primitive, str | bytes):
        return {name: fields(value) for name, value in vars(primitive).items()}
    return primitive


@given(valid_requests)
def test_requests(ours):
    encoded = written(theirs.A_ASSOCIATE_RQ(), their_request(ours))
    assert ours.encode() == encoded
    assert decode(1, encoded[6:]) == ours
    read = read_by_them(theirs.A_ASSOCIATE_RQ(), ours.encode())
    meant = their_request(ours)
    assert (read.called_ae_title, read.calling_ae_title) == (ours.called_ae_title, ours.calling_ae_title)
    assert read.presentation_context_definition_list == meant.presentation_context_definition_list
    assert fields(read.user_information) == fields(meant.user_information)


@given(valid_accepts)
def test_accepts(ours):
    encoded = written(theirs.A_ASSOCIATE_AC(), their_accept(ours))
    assert ours.encode() == encoded
    assert decode(2, encoded[6:]) == ours
    read = read_by_them(theirs.A_ASSOCIATE_AC(), ours.encode())
    meant = their_accept(ours)
    answers = read.presentation_context_definition_results_list
    assert [(one.context_id, one.result, *one.transfer_syntax) for one in answers] == [
        (one.id, one.result, one.transfer_syntax) for one in ours.presentation_contexts
    ]
    assert fields(read.user_information) == fields(meant.user_information)


@given(
    result=st.sampled_from([1, 2]), source=st.sampled_from([1, 2, 3]), reason=st.sampled_from([1, 2, 3, 7])
)
def test_rejections(result, source, reason):
    ours = AssociateRJ(result, source, reason)
    encoded = written(
        theirs.A_ASSOCIATE_RJ(),
        filled(pdu_primitives.A_ASSOCIATE(), result=result, result_source=source, diagnostic=reason),
    )
    assert ours.encode() == encoded
    assert decode(3, encoded[6:]) == ours


@given(st.lists(st.tuples(context_ids, st.integers(0, 3), st.binary(max_size=30)), min_size=1, max_size=4))
def test_data(pdvs):
    ours = PDataTF(tuple(PDV(*pdv) for pdv in pdvs))
    listed = [[context_id, bytes([control]) + fragment] for context_id, control, fragment in pdvs]
    encoded = written(
        theirs.P_DATA_TF(), filled(pdu_primitives.P_DATA(), presentation_data_value_list=listed)
    )
    assert ours.encode() == encoded
    assert decode(4, encoded[6:]) == ours
    read = read_by_them(theirs.P_DATA_TF(), ours.encode())
    assert list(map(list, read.presentation_data_value_list)) == listed


def test_releases():
    request, response = pdu_primitives.A_RELEASE(), filled(pdu_primitives.A_RELEASE(), result="affirmative")
    for ours, encoded in [
        (ReleaseRQ(), written(theirs.A_RELEASE_RQ(), request)),
        (ReleaseRP(), written(theirs.A_RELEASE_RP(), response)),
    ]:
        assert ours.encode() == encoded
        assert decode(encoded[0], encoded[6:]) == ours


@given(st.sampled_from([0, 1, 2, 4, 5, 6]))
def test_aborts(reason):
    by_provider = filled(pdu_primitives.A_P_ABORT(), provider_reason=reason)
    assert Abort(2, reason).encode() == written(theirs.A_ABORT_RQ(), by_provider)
    assert read_by_them(theirs.A_ABORT_RQ(), Abort(2, reason).encode()).provider_reason == reason
    by_user = filled(pdu_primitives.A_ABORT(), abort_source=0)
    assert Abort(0, 0).encode() == written(theirs.A_ABORT_RQ(), by_user)
