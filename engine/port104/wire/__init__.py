"""The DICOM upper layer and DIMSE without I/O: bytes in, events out."""
