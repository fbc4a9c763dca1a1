"""The variables that an attempt's Pod starts with, and where its claim is mounted.

The document in :data:`SPEC_VARIABLE` is that of :mod:`download_schedule.attempt.task_document`. The
kubelet puts the value of each Secret into a variable of its own, which the document names.
"""

from typing import Final

SPEC_VARIABLE: Final = "DOWNLOAD_SPEC"
"""The task of the attempt, as JSON."""
JOB_VARIABLE: Final = "DOWNLOAD_JOB"
"""Name of the run's Job."""
TICK_VARIABLE: Final = "DOWNLOAD_TICK"
"""The run's tick, such as ``2026-11-29T02:00:00Z``; only a run that somebody asked for with a tick
has it. Otherwise the tick is in the name of the Job."""
RUN_VARIABLE: Final = "DOWNLOAD_RUN"
"""UID of the run's Job; only an attempt that writes to a bucket or waits for a change has it."""
ALLOW_CIDRS_VARIABLE: Final = "DOWNLOAD_WORKER_ALLOW_CIDRS"
"""Address ranges that are open beyond public addresses, separated by commas. One with a port, such
as ``10.0.0.0/8:443``, is open at that port alone."""
DENY_CIDRS_VARIABLE: Final = "DOWNLOAD_WORKER_DENY_CIDRS"
"""Address ranges that are closed whatever else is open, in the same form."""
ALLOW_PORTS_VARIABLE: Final = "DOWNLOAD_WORKER_ALLOW_PORTS"
"""Ports that are open beside 80, 443 and those above 1023, separated by commas."""
PROXY_VARIABLE: Final = "DOWNLOAD_WORKER_PROXY"
"""The proxy, ``http://host:port``, through which every connection goes."""
MEMORY_LIMIT_VARIABLE: Final = "DOWNLOAD_WORKER_MEMORY_LIMIT"
"""Bytes of memory that the container may use; a conversion gets most of them."""
LOG_FORMAT_VARIABLE: Final = "DOWNLOAD_WORKER_LOG_FORMAT"
"""``json`` for one JSON object a line; without the variable, lines are plain text."""
JSON_LOG_FORMAT: Final = "json"
CALENDAR_VARIABLE: Final = "DOWNLOAD_CALENDAR"
"""Dates that the schedule leaves out, from a ConfigMap; only with `exclude.calendarRef`, and absent
if the ConfigMap or its key is."""
CALENDAR_KEY: Final = "dates"
"""Key of that ConfigMap."""
CA_FILE_VARIABLE: Final = "SSL_CERT_FILE"
"""Path of a bundle of CA certificates, as OpenSSL calls it."""
ACCESS_KEY_ID_VARIABLE: Final = "AWS_ACCESS_KEY_ID"
"""User of the bucket, named as Amazon's own tools do. The Secret's key has this name too."""
SECRET_ACCESS_KEY_VARIABLE: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name, not a secret
"""Password of that user. The Secret's key has this name too."""
SESSION_TOKEN_VARIABLE: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - as above
"""Token of temporary credentials; optional. The Secret's key has this name too."""

DATA_PATH: Final = "/data"
"""Folder at which the schedule's claim is mounted."""


def header_variable(index: int) -> str:
    """Return the name of the variable for the value of the header at *index*, from a Secret."""
    return f"DOWNLOAD_HEADER_{index}"
