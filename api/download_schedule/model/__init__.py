"""The ``DownloadSchedule`` resource as pydantic models: what users write and what they read back.

The custom resource definition (:mod:`download_schedule.crd`), the HTTP API and the operator take
their types, bounds and defaults from here. Docstrings of classes and fields become the descriptions
of the CRD and of the API, so users read them. Fields have Python names; their aliases are the
camelCase names of the resource. Other packages import from here.
"""

from download_schedule.attempt.task import Format, Method, Until
from download_schedule.model.base import (
    API_VERSION,
    GROUP,
    KIND,
    PLURAL,
    VERSION,
    Model,
)
from download_schedule.model.spec import (
    DEFAULT_HISTORY,
    DEFAULT_PATH,
    MAX_DATES,
    MAX_HEADERS,
    MAX_HISTORY,
    S3,
    CalendarName,
    ConcurrencyPolicy,
    Destination,
    Discard,
    Exclude,
    Header,
    HeaderSource,
    Request,
    SecretKey,
    SecretName,
    Spec,
    Verify,
    Volume,
    WaitFor,
    Weekday,
)
from download_schedule.model.status import (
    MAX_RUN_REQUESTS,
    Condition,
    Counts,
    Run,
    State,
    Status,
    Ticks,
    Trigger,
)

__all__ = [
    "API_VERSION",
    "DEFAULT_HISTORY",
    "DEFAULT_PATH",
    "GROUP",
    "KIND",
    "MAX_DATES",
    "MAX_HEADERS",
    "MAX_HISTORY",
    "MAX_RUN_REQUESTS",
    "PLURAL",
    "S3",
    "VERSION",
    "CalendarName",
    "ConcurrencyPolicy",
    "Condition",
    "Counts",
    "Destination",
    "Discard",
    "Exclude",
    "Format",
    "Header",
    "HeaderSource",
    "Method",
    "Model",
    "Request",
    "Run",
    "SecretKey",
    "SecretName",
    "Spec",
    "State",
    "Status",
    "Ticks",
    "Trigger",
    "Until",
    "Verify",
    "Volume",
    "WaitFor",
    "Weekday",
]
