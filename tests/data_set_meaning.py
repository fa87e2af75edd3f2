"""What a data set says, whatever its encoding: to compare a file with what a sender made of it."""

import warnings
from functools import cache

import pydicom

DATA_SET_TRAILING_PADDING = 0xFFFCFFFC  # means nothing (PS3.10 7.2)


@cache
def meaning(path):
    """The (tag, value) of every element of a file, items of sequences likewise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _elements(pydicom.dcmread(path, force=True))


def _elements(data_set):
    """All elements but group lengths (retired, PS3.5 7.2) and padding, which senders drop."""
    return [
        (element.tag, _value(element, data_set))
        for element in data_set
        if element.tag.element != 0 and element.tag != DATA_SET_TRAILING_PADDING
    ]


def _value(element, data_set):
    """A value without its padding to an even length; words in little endian order (PS3.5 7.3)."""
    value = element.value
    if element.VR == "SQ":
        return [_elements(item) for item in value]
    if isinstance(value, bytes):
        _, little_endian = data_set.original_encoding
        words = element.VR == "OW" and not little_endian
        return (swapped(value) if words else value).rstrip(b"\0 ")
    return str(value).rstrip("\0 ")


def swapped(words):
    """16-bit words in the other byte order."""
    pairs = bytearray(words)
    pairs[::2], pairs[1::2] = pairs[1::2], pairs[::2]
    return bytes(pairs)
