"""The native picker's twin: plain, recursive, all input at once; written from PS3.5 chapter 7."""

from port104._native import lib

SHORT_VRS = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"}
SHORT_VRS |= {"LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
KEPT = 256


class UnreadableError(Exception):
    """What the picker reports as P104_PICK_UNREADABLE."""


class Reader:
    """A place in a data set's bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        taken = self.data[self.at : self.at + length]
        if len(taken) < length:
            raise UnreadableError
        self.at += length
        return taken

    def number(self, length):
        return int.from_bytes(self.take(length), "little")

    def header(self, *, explicit):
        """(tag, VR or None, length) of an element, an item or a delimiter."""
        group, element = self.number(2), self.number(2)
        if group == 0xFFFE or not explicit:
            return group << 16 | element, None, self.number(4)
        vr = self.take(2).decode("latin-1")
        if vr in SHORT_VRS:
            return group << 16 | element, vr, self.number(2)
        self.take(2)
        length = self.number(4)
        if not (vr.isascii() and vr.isalpha() and vr.isupper()):
            raise UnreadableError
        return group << 16 | element, vr, length

    def value(self, vr, length, *, explicit):
        """The value of a defined length; of an undefined one nothing, but its end is found."""
        if length != UNDEFINED:
            return self.take(length)
        self.sequence(explicit=explicit and vr != "UN")
        return None

    def sequence(self, *, explicit):
        while True:
            tag, _, length = self.header(explicit=explicit)
            if tag == SEQUENCE_DELIMITATION:
                return
            if tag != ITEM:
                raise UnreadableError
            if length == UNDEFINED:
                self.item(explicit=explicit)
            else:
                self.take(length)

    def item(self, *, explicit):
        while True:
            tag, vr, length = self.header(explicit=explicit)
            if tag == ITEM_DELIMITATION:
                return
            if tag >> 16 == 0xFFFE:
                raise UnreadableError
            self.value(vr, length, explicit=explicit)


def pick(data, *, explicit, tags):
    """(state, {tag: the value's first bytes}) as far as the last of `tags`, which ascend."""
    reader, found = Reader(data), {}
    try:
        _pick_top_level(reader, explicit, tags, found)
    except UnreadableError:
        return lib.P104_PICK_UNREADABLE, found
    return lib.P104_PICK_DONE, found


def _pick_top_level(reader, explicit, tags, found):
    tag_before = 0x0007FFFF
    while reader.at < len(reader.data):
        tag, vr, length = reader.header(explicit=explicit)
        if tag <= tag_before or tag >> 16 == 0xFFFE:
            raise UnreadableError
        if tag > tags[-1]:
            return
        if tag in tags and (vr == "SQ" or length == UNDEFINED):
            raise UnreadableError
        value = reader.value(vr, length, explicit=explicit)
        if tag in tags:
            found[tag] = value[:KEPT]
        tag_before = tag
