"""PDUs, items and command sets as bytes: right by default, wrong where an argument says so.

It shares no line with port104's encoders, which refuse to encode what is wrong.
"""

import struct

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
VERIFICATION = b"1.2.840.10008.1.1"
SECONDARY_CAPTURE = b"1.2.840.10008.5.1.4.1.1.7"
CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = b"1.2.840.10008.1.2"
EXPLICIT = b"1.2.840.10008.1.2.1"
DEFLATED = b"1.2.840.10008.1.2.1.99"
UNHEARD_OF = b"1.2.3.4.5.6"  # a transfer syntax that nobody knows

RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)  # PDU types (PS3.8 9.3.1)
COMMAND, LAST = 1, 2  # message control header bits (PS3.8 E.2)

# Contexts of `request`, of which REFUSED is one that every acceptor refuses.
ECHO, STORE, REFUSED, DEFLATED_STORE = 1, 3, 5, 7
NOT_PROPOSED = 9


# ---- upper layer (PS3.8 9.3) ----


def pdu(kind, body=b"", *, length=None, reserved=0):
    """A PDU. `length`: what its header states instead of the truth."""
    return struct.pack(">BBI", kind, reserved, len(body) if length is None else length) + body


def item(kind, value=b"", *, length=None, reserved=0):
    """An item or sub-item of an A-ASSOCIATE PDU."""
    return struct.pack(">BBH", kind, reserved, len(value) if length is None else length) + value


def context(number, abstract=SECONDARY_CAPTURE, *transfers):
    """A proposed presentation context (20H)."""
    syntaxes = [item(0x40, one) for one in transfers or (EXPLICIT,)]
    return context_of(number, item(0x30, abstract), *syntaxes)


def context_of(number, *sub_items, length=None, reserved=0):
    """A presentation context item with exactly these sub-items."""
    return item(0x20, bytes([number, reserved, reserved, reserved]) + b"".join(sub_items), length=length)


def user(*sub_items, length=None, reserved=0):
    """The user information item (50H)."""
    return item(0x50, b"".join(sub_items), length=length, reserved=reserved)


APPLICATION = item(0x10, APPLICATION_CONTEXT)
ECHO_CONTEXT = context(ECHO, VERIFICATION, IMPLICIT)
STORE_CONTEXT = context(STORE)
CONTEXTS = (
    ECHO_CONTEXT,
    STORE_CONTEXT,
    context(REFUSED, VERIFICATION, UNHEARD_OF),
    context(DEFLATED_STORE, SECONDARY_CAPTURE, DEFLATED),
)
MAXIMUM_LENGTH = item(0x51, struct.pack(">I", 16384))
IMPLEMENTATION = item(0x52, b"1.2.3.4")
USER = user(MAXIMUM_LENGTH, IMPLEMENTATION)
PROPOSAL = (APPLICATION, *CONTEXTS, USER)


def title(name):
    """An AE title field."""
    return name.ljust(16)


CALLED, CALLING = title(b"PORT104"), title(b"PEER")


def request(
    *items,
    kind=RQ,
    version=1,
    called=CALLED,
    calling=CALLING,
    reserved=bytes(2),
    rest=bytes(32),
    length=None,
    header=0,
):
    """An A-ASSOCIATE-RQ, or another `kind` of PDU in its shape. Without items: the usual ones."""
    fixed = struct.pack(">H", version) + reserved + called + calling + rest
    return pdu(kind, fixed + b"".join(items or PROPOSAL), length=length, reserved=header)


def with_user(*sub_items):
    """A request with these user information sub-items beside the usual ones."""
    return request(APPLICATION, *CONTEXTS, user(MAXIMUM_LENGTH, IMPLEMENTATION, *sub_items))


def with_context(proposed):
    """A request for Verification and `proposed`."""
    return request(APPLICATION, ECHO_CONTEXT, proposed, USER)


def reject():
    """An A-ASSOCIATE-RJ."""
    return pdu(RJ, bytes([0, 1, 1, 1]))


def release(kind=RELEASE_RQ):
    """An A-RELEASE-RQ or -RP."""
    return pdu(kind, bytes(4))


def abort(source=0, reason=0):
    """An A-ABORT."""
    return pdu(ABORT, bytes([0, 0, source, reason]))


# ---- P-DATA-TF (PS3.8 9.3.5) ----


def pdv(number, control, fragment=b"", *, length=None):
    """A presentation data value item."""
    return struct.pack(">IBB", len(fragment) + 2 if length is None else length, number, control) + fragment


def data(*pdvs, length=None):
    """A P-DATA-TF PDU."""
    return pdu(DATA, b"".join(pdvs), length=length)


def fragments(number, control, content, size=16_000):
    """`content` as PDUs of one PDV each, the last marked so."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
    ends = [*[0] * (len(pieces) - 1), LAST]
    return b"".join(data(pdv(number, control | end, piece)) for piece, end in zip(pieces, ends, strict=True))


def message(number, command_set, data_set=None):
    """A command set, and its data set where there is one, as PDUs."""
    sent = fragments(number, COMMAND, command_set)
    return sent if data_set is None else sent + fragments(number, 0, data_set)


# ---- command sets (PS3.7 6.3.1): implicit VR little endian ----

ABSENT = None  # in place of a value: the element is left out


def element(number, value, *, length=None, group=0):
    """One element of a command set; `value` is bytes or a US number."""
    encoded = struct.pack("<H", value) if isinstance(value, int) else value
    return struct.pack("<HHI", group, number, len(encoded) if length is None else length) + encoded


def command(values, *, tail=b"", group_length=True):
    """A command set of elements number -> value, and `tail` behind them."""
    elements = [element(number, value) for number, value in sorted(values.items()) if value is not ABSENT]
    body = b"".join(elements) + tail
    return (element(0x0000, struct.pack("<I", len(body))) if group_length else b"") + body


def uid(text):
    """A UID with its padding."""
    return text + b"\0" * (len(text) % 2)


def echo_command(**changes):
    """The elements of a C-ECHO-RQ. `changes`: e0002=value, ..."""
    return _changed({0x0002: uid(VERIFICATION), 0x0100: 0x0030, 0x0110: 1, 0x0800: 0x0101}, changes)


def store_command(instance, **changes):
    """The elements of a C-STORE-RQ."""
    usual = {
        0x0002: uid(SECONDARY_CAPTURE),
        0x0100: 0x0001,
        0x0110: 1,
        0x0700: 0,
        0x0800: 0x0001,
        0x1000: uid(instance),
    }
    return _changed(usual, changes)


def _changed(values, changes):
    return values | {int(name[1:], 16): value for name, value in changes.items()}


def echo(**changes):
    """A C-ECHO-RQ as PDUs."""
    return message(ECHO, command(echo_command(**changes)))


def store(instance, data_set=None, *, number=STORE, **changes):
    """A C-STORE-RQ and its data set as PDUs; without one, a small one of the same instance."""
    sent = image(instance) if data_set is None else data_set
    return message(number, command(store_command(instance, **changes)), sent)


# ---- data sets, explicit VR little endian (PS3.5 7.1) ----


def tag(group, number, vr, value, *, length=None):
    """One element."""
    stated = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"UN", b"SQ"):
        return struct.pack("<HH2sxxI", group, number, vr, stated) + value
    return struct.pack("<HH2sH", group, number, vr, stated) + value


def image(instance, pixels=bytes(64), *, sop_class=SECONDARY_CAPTURE):
    """A small Secondary Capture image."""
    return (
        tag(0x0008, 0x0016, b"UI", uid(sop_class))
        + tag(0x0008, 0x0018, b"UI", uid(instance))
        + tag(0x0008, 0x0060, b"CS", b"OT")
        + tag(0x0010, 0x0020, b"LO", b"HOSTILE1")
        + tag(0x0020, 0x000D, b"UI", uid(b"1.2.3.4.61"))
        + tag(0x0020, 0x000E, b"UI", uid(b"1.2.3.4.62"))
        + tag(0x7FE0, 0x0010, b"OB", pixels)
    )
