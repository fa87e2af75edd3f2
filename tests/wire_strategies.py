"""Hypothesis strategies for what the wire carries."""

from hypothesis import strategies as st

from port104.wire.command import Command
from port104.wire.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    PDataTF,
    PresentationContext,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    UserIdentity,
    UserInformation,
)

uint8 = st.integers(0, 0xFF)
uint16 = st.integers(0, 0xFFFF)
uint32 = st.integers(0, 0xFFFFFFFF)
# Any bytes may stand where a UID or a name should: ISO 8859-1, of which only padding is lost.
anything = st.text(st.characters(max_codepoint=0xFF), min_size=1, max_size=70)
uids = anything.map(lambda text: text.rstrip("\0")).filter(bool)
ae_titles = st.text(st.characters(max_codepoint=0xFF), max_size=16).map(
    lambda text: text.rstrip("\0 ").lstrip(" ")
)
context_ids = st.integers(0, 127).map(lambda number: 2 * number + 1)

windows = st.builds(AsynchronousOperationsWindow, uint16, uint16)
roles = st.builds(RoleSelection, uids, st.booleans(), st.booleans())
extended = st.builds(ExtendedNegotiation, uids, st.binary(max_size=20))
common = st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple))
identities = st.builds(UserIdentity, uint8, st.booleans(), st.binary(max_size=20), st.binary(max_size=20))
user_information = st.builds(
    UserInformation,
    maximum_length=st.none() | uint32,
    implementation_class_uid=st.none() | uids,
    implementation_version_name=st.none() | uids,
    asynchronous_operations_window=st.none() | windows,
    role_selections=st.lists(roles, max_size=3).map(tuple),
    extended_negotiations=st.lists(extended, max_size=3).map(tuple),
    common_extended_negotiations=st.lists(common, max_size=3).map(tuple),
    user_identity=st.none() | identities,
    user_identity_response=st.none() | st.binary(max_size=20),
)

contexts = st.builds(
    PresentationContext, context_ids, st.just("") | uids, st.lists(uids, max_size=3).map(tuple)
)
results = st.builds(PresentationContextResult, context_ids, uint8, st.just("") | uids)
requests = st.builds(
    AssociateRQ,
    ae_titles,
    ae_titles,
    st.lists(contexts, max_size=4, unique_by=lambda context: context.id).map(tuple),
    user_information,
    st.just("") | uids,
    uint16,
)
accepts = st.builds(
    AssociateAC,
    ae_titles,
    ae_titles,
    st.lists(results, max_size=4, unique_by=lambda result: result.id).map(tuple),
    user_information,
    st.just("") | uids,
    uint16,
)
pdvs = st.builds(PDV, uint8, uint8, st.binary(max_size=30))
pdus = st.one_of(
    requests,
    accepts,
    st.builds(AssociateRJ, uint8, uint8, uint8),
    st.builds(PDataTF, st.lists(pdvs, min_size=1, max_size=4).map(tuple)),
    st.builds(ReleaseRQ),
    st.builds(ReleaseRP),
    st.builds(Abort, uint8, uint8),
)

# Values of a command set, of which trailing padding is lost.
values = st.none() | anything.map(lambda text: text.rstrip("\0 ")).filter(bool)
commands = st.builds(
    Command,
    field=uint16,
    has_data_set=st.booleans(),
    message_id=st.none() | uint16,
    message_id_being_responded_to=st.none() | uint16,
    affected_sop_class_uid=values,
    requested_sop_class_uid=values,
    affected_sop_instance_uid=values,
    requested_sop_instance_uid=values,
    event_type_id=st.none() | uint16,
    action_type_id=st.none() | uint16,
    priority=st.none() | uint16,
    status=st.none() | uint16,
    error_comment=values,
    move_originator_ae_title=values,
    move_originator_message_id=st.none() | uint16,
)

# What the standard allows, for peers that judge while they read.
valid_uids = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).map(
    lambda parts: ".".join(map(str, parts))
)
valid_names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=16).filter(
    lambda name: "\\" not in name
)
some_bytes = st.binary(min_size=1, max_size=20)
valid_identities = st.builds(UserIdentity, st.just(2), st.booleans(), some_bytes, some_bytes) | (
    st.builds(UserIdentity, st.sampled_from([1, 3, 4, 5]), st.booleans(), some_bytes)
)
valid_information = {
    "maximum_length": uint32,
    "implementation_class_uid": valid_uids,
    "implementation_version_name": st.none() | valid_names,
    "asynchronous_operations_window": st.none() | windows,
    "role_selections": st.lists(
        st.builds(RoleSelection, valid_uids, st.booleans(), st.booleans()).filter(
            lambda role: role.scu_role or role.scp_role
        ),
        max_size=3,
    ).map(tuple),
    "extended_negotiations": st.lists(
        st.builds(ExtendedNegotiation, valid_uids, st.binary(max_size=20)), max_size=3
    ).map(tuple),
}
valid_requests = st.builds(
    AssociateRQ,
    valid_names,
    valid_names,
    st.lists(
        st.builds(
            PresentationContext,
            context_ids,
            valid_uids,
            st.lists(valid_uids, min_size=1, max_size=3, unique=True).map(tuple),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda context: context.id,
    ).map(tuple),
    st.builds(
        UserInformation,
        **valid_information,
        common_extended_negotiations=st.lists(
            st.builds(
                CommonExtendedNegotiation, valid_uids, valid_uids, st.lists(valid_uids, max_size=3).map(tuple)
            ),
            max_size=3,
        ).map(tuple),
        user_identity=st.none() | valid_identities,
    ),
)
valid_accepts = st.builds(
    AssociateAC,
    valid_names,
    valid_names,
    st.lists(
        st.builds(PresentationContextResult, context_ids, st.integers(0, 4), valid_uids),
        min_size=1,
        max_size=4,
        unique_by=lambda result: result.id,
    ).map(tuple),
    st.builds(UserInformation, **valid_information, user_identity_response=st.none() | some_bytes),
)
valid_commands = st.builds(
    Command,
    field=uint16,
    has_data_set=st.booleans(),
    message_id=st.none() | uint16,
    message_id_being_responded_to=st.none() | uint16,
    affected_sop_class_uid=st.none() | valid_uids,
    requested_sop_class_uid=st.none() | valid_uids,
    affected_sop_instance_uid=st.none() | valid_uids,
    requested_sop_instance_uid=st.none() | valid_uids,
    priority=st.none() | uint16,
    status=st.none() | uint16,
    error_comment=st.none() | valid_names,
    move_originator_ae_title=st.none() | valid_names,
    move_originator_message_id=st.none() | uint16,
)
