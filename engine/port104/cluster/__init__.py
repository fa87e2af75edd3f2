"""The API server of the Kubernetes cluster that port104 runs in: custom resources listed, watched, told of.

It knows nothing of DICOM, and nothing of what is in a `spec`.
"""
