"""Errors of obstore in words for people: its own run over thirty lines, and hide the cause in the last."""

import re

_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")

# Codes of S3's answers, and what to do.
_OF_CODES = {
    "NoSuchBucket": "there is no such bucket: make it, or correct objectStore.url",
    "AccessDenied": "its rules do not let port104 do this: it needs s3:PutObject, s3:GetObject and"
    " s3:DeleteObject below the prefix",
    "InvalidAccessKeyId": "it does not know the access key: check objectStore.accessKeyId",
    "SignatureDoesNotMatch": "the secret is not that of the access key: check objectStore.secretAccessKey",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "the clocks of this machine and of the store differ too much: set them",
    "InvalidBucketName": "no bucket can have this name: correct objectStore.url",
    "PermanentRedirect": "the bucket is in another region: check objectStore.region and objectStore.endpoint",
    "SlowDown": "it asks to go more slowly",
    "BadDigest": "what it received was damaged on the way",
    "XAmzContentSHA256Mismatch": "what it received was damaged on the way",
    "QuotaExceeded": "its quota is used up",
    "XMinioStorageFull": "its disks are full",
}
# Words of the causes that are written last, in the order in which they are looked for.
_OF_CAUSES = {
    "UnknownIssuer": "its certificate is signed by nobody who is trusted: name the authority's certificate"
    " (objectStore.certificateAuthorities)",
    "NotValidForName": "its certificate is for another name than that of objectStore.endpoint",
    "Expired": "its certificate has expired",
    "InvalidCertificate": "its certificate is not good",
    "InvalidContentType": "it does not speak TLS there: should objectStore.endpoint begin with http://?",
    "ConnectionRefused": "nobody listens there: check objectStore.endpoint",
    "dns error": "its name cannot be resolved: check objectStore.endpoint",
    "NetworkUnreachable": "there is no route to it",
    "HostUnreachable": "there is no route to it",
    "TimedOut": "it does not answer in time",
    "Timeout": "it does not answer in time",
    "MissingEtag": "it does not say what it has stored (no ETag): it is no S3",
    "IncompleteBody": "it broke off in the middle of an object",
    "IncompleteMessage": "it closed the connection without an answer",
    "ConnectionReset": "it broke the connection off",
    "BrokenPipe": "it broke the connection off",
}
# Where a machine of Amazon's tells its credentials: obstore asks there when it has found none elsewhere.
_METADATA = "169.254.169.254"
_NO_CREDENTIALS = (
    "there are no credentials: give objectStore.accessKeyId and objectStore.secretAccessKey, and to the pods"
    " of Jobs a Secret with both (jobs.transfer.secret)"
)
_LONGEST = 200


def code_of(text: str) -> str | None:
    """The code of S3's answer, where there is one."""
    found = _CODE.search(text)
    return None if found is None else found[1]


def reason_of(text: str) -> str:
    """Say in a line what is wrong, and what to do. No key and no secret is in it."""
    code, status = code_of(text), _STATUS.search(text)
    if code is not None:
        return f"{_OF_CODES.get(code, 'it refuses')} ({code})"
    if _METADATA in text:
        return _NO_CREDENTIALS
    if status is not None:
        return f"it answered with status {status[1]}"
    for cause, words in _OF_CAUSES.items():
        if cause in text:
            return words
    return " ".join(text.partition("\n")[0].split())[:_LONGEST]
