"""A storage SCP as pynetdicom's documentation writes it: pynetdicom_acceptor.py PORT FOLDER ARTIM IDLE."""

import sys
from pathlib import Path

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification


def save(event, folder):
    data_set = event.dataset
    data_set.file_meta = event.file_meta
    data_set.save_as(folder / data_set.SOPInstanceUID, enforce_file_format=True)
    return 0x0000


def main():
    port, folder, artim, idle = sys.argv[1:]
    entity = AE("PORT104")
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    entity.add_supported_context(Verification)
    entity.require_called_aet = True
    entity.maximum_associations = 100
    entity.acse_timeout = float(artim)
    entity.dimse_timeout = entity.network_timeout = float(idle)
    handlers = [(evt.EVT_C_STORE, save, [Path(folder)])]
    entity.start_server(("127.0.0.1", int(port)), evt_handlers=handlers)


if __name__ == "__main__":
    main()
