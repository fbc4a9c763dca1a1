"""What to do about an error of an S3 service, and whether another attempt can help. Pure.

The codes are Amazon's, and those of other services where they have codes of their own.
"""

import re
from typing import Final

from download_worker.errors import DownloadError, Reason
from download_worker.s3.bucket import Bucket
from download_worker.s3.error_document import ServiceError

Advice = tuple[Reason, str]
"""A reason, and a sentence with the members of a bucket as placeholders."""

_REGION_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_TIME: Final = re.compile(r"[0-9A-Za-z:+.-]{1,32}")

_BUSY: Final = (
    Reason.UPLOAD_FAILED,
    "The S3 service is busy or has a fault: another attempt may succeed",
)
_CONFLICT: Final = (
    Reason.UPLOAD_FAILED,
    "Something else changes the object or the bucket {name} at the same time: another attempt may "
    "succeed",
)
_EXPIRED: Final = (
    Reason.UPLOAD_FAILED,
    "The session token in the Secret {secret} has expired: renew it there, with both keys. Another "
    "attempt reads the Secret again",
)
_FULL: Final = (
    Reason.NO_SPACE,
    "The bucket {name} or its service is full: delete objects, or have the quota raised",
)
_NOT_ALLOWED: Final = (
    Reason.BUCKET_DENIED,
    "The bucket {name} refuses its user in the Secret {secret} the right to write: grant it, for "
    "example in the bucket's policy",
)
_NO_BUCKET: Final = (
    Reason.BUCKET_NOT_FOUND,
    "The S3 service has no bucket {name}: create it, or correct bucket, endpoint or region",
)
_REGION: Final = (
    Reason.BUCKET_NOT_FOUND,
    "The bucket {name} is not in the region {region} of {url}: correct region, or endpoint",
)
_TOO_LARGE: Final = (
    Reason.TOO_LARGE,
    "The S3 service, or a proxy in front of it, does not accept an object or a request of this "
    "size: have its limit raised. Requests have up to 8 MiB, or a 9,000th of the file",
)
_WRONG_KEY: Final = (Reason.INVALID_PATH, "The S3 service does not accept the key: correct key")
_WRONG_TOKEN: Final = (
    Reason.BUCKET_DENIED,
    "The S3 service does not know the session token in the Secret {secret}: correct it there, or "
    "remove it if the keys are not temporary",
)
_WRONG_KEYS: Final = (
    Reason.BUCKET_DENIED,
    "The bucket {name} refuses the credentials: correct the Secret {secret}",
)
_DENIED: Final = (
    Reason.BUCKET_DENIED,
    "The bucket {name} refuses the credentials, or their right to write: correct the Secret "
    "{secret} or the bucket's policy",
)
_MALFORMED: Final = (
    Reason.BUCKET_DENIED,
    "The S3 service does not accept the region {region}, or the credentials: correct region, or "
    "the Secret {secret}",
)
_CANNOT_KEEP: Final = (
    Reason.UPLOAD_FAILED,
    "The S3 service cannot keep objects from being replaced: write a key without {{scheduled}}, or "
    "use another service",
)
_ABORTED: Final = (
    Reason.UPLOAD_FAILED,
    "The upload was aborted at the S3 service, for example by a lifecycle rule: another attempt "
    "starts again",
)
_OTHER: Final = (Reason.UPLOAD_FAILED, "The object could not be stored")
_NO_SERVICE: Final = (
    Reason.UPLOAD_FAILED,
    "The object could not be stored: check that {url} is the address of an S3 service",
)

_OF_CODE: Final = {
    "AccessDenied": _NOT_ALLOWED,
    "AllAccessDisabled": _NOT_ALLOWED,
    "AccountProblem": _NOT_ALLOWED,
    "AuthorizationHeaderMalformed": _MALFORMED,
    "ConditionalRequestConflict": _CONFLICT,
    "EntityTooLarge": _TOO_LARGE,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IllegalLocationConstraintException": _REGION,
    "InternalError": _BUSY,
    "InvalidAccessKeyId": _WRONG_KEYS,
    "InvalidBucketName": _NO_BUCKET,
    "InvalidRegionName": _REGION,  # Cloudflare R2
    "InvalidToken": _WRONG_TOKEN,
    "InvalidURI": _WRONG_KEY,
    "KeyTooLongError": _WRONG_KEY,
    "MaxMessageLengthExceeded": _TOO_LARGE,
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchUpload": _ABORTED,
    "NotSignedUp": _NOT_ALLOWED,
    "OperationAborted": _CONFLICT,
    "PermanentRedirect": _REGION,
    "QuotaExceeded": _FULL,  # Ceph
    "RequestTimeout": _BUSY,
    "ServiceUnavailable": _BUSY,
    "SignatureDoesNotMatch": _WRONG_KEYS,
    "SlowDown": _BUSY,
    "TemporaryRedirect": _BUSY,
    "TokenRefreshRequired": _EXPIRED,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioInvalidObjectName": _WRONG_KEY,
    "XMinioStorageFull": _FULL,
}
_OF_STATUS: Final = {
    307: _BUSY,
    401: _DENIED,
    403: _DENIED,
    404: _NO_BUCKET,
    408: _BUSY,
    413: _TOO_LARGE,
    429: _BUSY,
    507: _FULL,
}
UPLOAD_VANISHED: Final = "NoSuchUpload"
"""Code for an upload in parts that is complete or aborted already."""
CLOCK_IS_OFF: Final = "RequestTimeTooSkewed"
_EXISTS_STATUSES: Final = frozenset({409, 412})


def explain(error: ServiceError, bucket: Bucket, *, is_conditional: bool) -> DownloadError:
    """Return what went wrong, with advice.

    Args:
        error: what the service said.
        bucket: to which the object was to go.
        is_conditional: whether the request was not to replace an object.
    """
    if is_conditional and error.status in _EXISTS_STATUSES and error.code not in _OF_CODE:
        return object_exists(bucket)
    reason, sentence = _advice(error, bucket, is_conditional)
    return DownloadError(
        reason,
        sentence.format(
            name=bucket.name, secret=bucket.secret, region=bucket.region, url=bucket.url
        )
        + f" ({error.words}).",
    )


def object_exists(bucket: Bucket) -> DownloadError:
    """Return the error for a key at which there is an object of somebody else's."""
    return DownloadError(
        Reason.OBJECT_EXISTS,
        f"The bucket {bucket.name} already has an object of this key, which another run or "
        "somebody else put there: choose another key, for example with {namespace} and {name} "
        "in it.",
    )


def _advice(error: ServiceError, bucket: Bucket, is_conditional: bool) -> Advice:
    if error.code == CLOCK_IS_OFF:
        return _set_clock(error.elements.get("ServerTime", ""))
    region = error.elements.get("Region", "")
    if _OF_CODE.get(error.code) in (_MALFORMED, _REGION) and _is_other(region, bucket.region):
        return Reason.BUCKET_NOT_FOUND, f"The bucket {{name}} is elsewhere: write region: {region}"
    if advice := _OF_CODE.get(error.code):
        return advice
    if error.status == 501:
        return _CANNOT_KEEP if is_conditional else _OTHER
    if advice := _OF_STATUS.get(error.status or 0):
        return advice
    if error.status and error.status >= 500:
        return _BUSY
    return _OTHER if error.code or not error.status else _NO_SERVICE


def _set_clock(server_time: str) -> Advice:
    """Return advice for a request that the service takes for one of another time."""
    there = f" ({server_time})" if _TIME.fullmatch(server_time) else ""
    return (
        Reason.UPLOAD_FAILED,
        f"The clock of the node differs too much from that of the S3 service{there}: set it, for "
        "example with NTP. Another attempt may run on another node",
    )


def _is_other(region: str, configured: str) -> bool:
    return bool(_REGION_NAME.fullmatch(region)) and region != configured
