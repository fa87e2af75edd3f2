"""A storage SCP as pynetdicom's documentation writes it: pynetdicom_receiver.py MODE PORT FOLDER.

`default` decodes each data set and saves it, with the default maximum PDU length. `raw` is what the
documentation advises for speed: an unlimited PDU length, and the encoded data set is written as it came.
"""

import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

AE_TITLE = "PORT104"


def save_decoded(event: Event, folder: Path) -> int:
    """Handle a C-STORE as the documentation's first example does."""
    data_set = event.dataset
    data_set.file_meta = event.file_meta
    data_set.save_as(folder / data_set.SOPInstanceUID, enforce_file_format=True)
    return 0x0000


def save_encoded(event: Event, folder: Path) -> int:
    """Handle a C-STORE without decoding it."""
    request = event.request
    assert isinstance(request, C_STORE)
    with (folder / str(request.AffectedSOPInstanceUID)).open("wb") as file:
        file.write(event.encoded_dataset())
    return 0x0000


def main() -> None:
    """Serve until killed."""
    mode, port, folder = sys.argv[1:]
    entity = AE(AE_TITLE)
    entity.supported_contexts = AllStoragePresentationContexts
    entity.maximum_associations = 2000  # its default of 10 would reject the others
    if mode == "raw":
        entity.maximum_pdu_size = 0
    handler = save_encoded if mode == "raw" else save_decoded
    entity.start_server(("127.0.0.1", int(port)), evt_handlers=[(evt.EVT_C_STORE, handler, [Path(folder)])])


if __name__ == "__main__":
    main()
