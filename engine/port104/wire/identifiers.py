"""What makes a UID or an AE title valid (PS3.5 9.1, PS3.5 6.2 VR AE); decoding accepts any bytes."""

import re

# Components of digits without leading zeros, divided by single dots, at most 64 characters.
_UID = re.compile(r"(?=.{1,64}\Z)(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*\Z", re.ASCII)
# The default character repertoire without backslash and control characters; padding is gone by now.
_AE_TITLE = re.compile(r"(?! )[\x20-\x5B\x5D-\x7E]{1,16}(?<! )\Z", re.ASCII)


def valid_uid(uid: str) -> bool:
    """Whether `uid`, without padding, is a UID by PS3.5 9.1."""
    return _UID.match(uid) is not None


def valid_ae_title(title: str) -> bool:
    """Whether `title`, without padding, is a non-blank AE title by PS3.5 6.2 that steps up no path.

    PS3.5 allows `../`; no device is called so, and other software may make paths of titles.
    """
    return _AE_TITLE.match(title) is not None and ".." not in title.split("/")
