"""port104: a DICOM ingress engine."""
