"""Sends DICOM files: what they are, found and read ahead, over associations that port104 requests."""
