"""The route of the file that a run kept."""

import mimetypes
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from download_api.auth.api_keys import parse_bearer
from download_api.auth.guard import requires
from download_api.content.location import locate_file
from download_api.content.ranges import select_bytes
from download_api.content.volumes import read_chunks
from download_api.openapi import responses
from download_api.routes.dependencies import (
    Access,
    MountedVolumes,
    S3Links,
    ScheduleId,
    ScheduleStore,
    Streams,
    guarded_router,
)
from download_api.schema.runs import find_run
from download_schedule.model import Format

PATH: Final = "/schedules/{schedule_id}/history/{execution_id}/content"
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", re.ASCII)
_UNSAFE_IN_QUOTES: Final = re.compile(r'[^ -~]|["\\%]')
_SHA256: Final = re.compile("[0-9a-f]{64}")

routes = guarded_router()


@routes.head(PATH, include_in_schema=False)
@routes.get(
    PATH,
    response_class=StreamingResponse,
    responses=responses.file(403, 404, 409, 410, 416),
)
@requires("get", "content")
async def get_content(
    schedule_id: ScheduleId,
    execution_id: str,
    request: Request,
    schedules: ScheduleStore,
    volumes: MountedVolumes,
    s3_links: S3Links,
    streams: Streams,
    access: Access,
) -> Response:
    """Get the file that a run kept. A file in S3 is a redirect.

    For a file on a volume, Range, If-Range, If-None-Match and HEAD are supported.
    """
    schedule = await schedules.get(schedule_id)
    run = find_run(schedule, execution_id)
    location = locate_file(schedule, run)
    if location.kind == "s3":
        authorization = request.headers.get("authorization")
        token = parse_bearer(authorization) if access.caller.has_token else None
        link = await s3_links.create(access.caller, token, schedule, location, request.method)
        return RedirectResponse(link, 307)

    size, etag = run.get("bytes", 0), _etag(run)
    selection = select_bytes(_selecting_headers(request), etag, size)
    headers = {**_file_headers(location.path, run, schedule["spec"]), **selection.headers}
    source = volumes.open(schedule["metadata"]["namespace"], location, size)
    if selection.status == 304 or request.method == "HEAD":
        async with source:
            return Response(status_code=selection.status, headers=headers)
    read = partial(read_chunks, selected=selection.bytes)
    return await streams.respond(access.caller.user, source, read, headers, selection.status)


def _selecting_headers(request: Request) -> Mapping[str, str]:
    """Return the request's headers; Range only has a meaning for GET (RFC 9110, 14.2)."""
    headers = dict(request.headers)
    if request.method == "HEAD":
        headers.pop("range", None)
    return headers


def _etag(run: Mapping[str, Any]) -> str:
    digest = run.get("sha256", "")
    return f'"{digest}"' if _SHA256.fullmatch(digest) else ""


def _file_headers(path: str, run: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, str]:
    """Return headers that describe a file. They keep browsers from showing it as a page of ours."""
    name = path.rpartition("/")[2]
    content_type = run.get("contentType", "")
    if spec.get("format", Format.RAW) != Format.RAW:  # it was that of the page, before conversion
        content_type = mimetypes.guess_type(name)[0] or ""
    if not _MEDIA_TYPE.fullmatch(content_type):
        content_type = "application/octet-stream"
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f"attachment; {_filename_parameters(name)}",
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes",
    }
    if etag := _etag(run):
        headers["ETag"] = etag
    return headers


def _filename_parameters(name: str) -> str:
    """Return both forms of the name (RFC 6266): clients prefer the second, curl knows the first."""
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    return f"filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"
