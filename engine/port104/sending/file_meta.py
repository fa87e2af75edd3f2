"""File Meta Information of files that others wrote (PS3.10 7.1): what sending a data set as it is asks for.

pydicom reads it too, in 0.16 ms a file, which is as long as sending a small one takes; it is asked
(storage/reading.py) where this room finds too little.
"""

from port104 import native

FileMeta = native.FileMeta
_FAULTS = {
    native.META_NO_DICOM: "it is no DICOM file (PS3.10 7.1): it does not begin with a preamble and DICM",
    native.META_CUT_OFF: "its File Meta Information is cut off, or too long",
}


def read_file_meta(head: bytes) -> FileMeta:
    """Read it from a file's first bytes, which must hold all of it: a few hundred.

    The elements are walked to the first one of another group: lengths that (0002,0000) states are wrong in
    some files. Raises ValueError, which says why it is no such file and quotes nothing of it.
    """
    meta = native.read_file_meta(head)
    if isinstance(meta, int):
        raise ValueError(_FAULTS[meta])  # noqa: TRY004 - the bytes are wrong, not the type
    return meta
