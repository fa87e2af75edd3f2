"""A passcode hash that takes no time."""

import hashlib

from port104.registry.passcodes import PasscodeHash


def cheap(passcode, salt=b"salt"):
    """The hash of a passcode, with the least that scrypt can do."""
    digest = hashlib.scrypt(passcode, salt=salt, n=2, r=1, p=1, dklen=32)
    return PasscodeHash(1, 1, 1, salt, digest)
