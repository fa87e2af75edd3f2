"""The API server of the Kubernetes cluster that port104 runs in: what is listed, watched and made there.

It knows nothing of DICOM, and nothing of what is in a `spec`.
"""
