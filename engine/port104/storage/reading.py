"""Reads stored files with pydicom; the only room that imports it."""

from pathlib import Path

import pydicom


def describe(path: Path) -> list[str]:
    """Every element of the stored data set but pixel data, a line each. For logDimseDatasets.

    Holds patient data. Raises OSError when the file is gone and nothing else: what pydicom cannot read
    is said in a line.
    """
    try:
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        return str(data_set).splitlines()
    except OSError:
        raise
    except Exception as failure:  # noqa: BLE001 - a peer's bytes can make pydicom raise anything
        return [f"cannot be read: {failure}"]
