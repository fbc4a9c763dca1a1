"""The route of what a run downloaded."""

import mimetypes
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from download_api.auth.api_keys import bearer
from download_api.auth.guard import needs
from download_api.content import location, volumes
from download_api.content.location import Place
from download_api.content.s3_links import Buckets
from download_api.content.volumes import Volumes
from download_api.openapi import document
from download_api.routes.dependencies import ScheduleId, Sender, Store, guarded_router
from download_api.schema import runs
from download_api.server.streams import Streams
from download_schedule.model import Format

JSON = Mapping[str, Any]

PATH: Final = "/schedules/{schedule_id}/history/{execution_id}/content"
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", re.ASCII)
_NOT_PLAIN: Final = re.compile(r'[^ -~]|["\\%]')
_SHA256: Final = re.compile("[0-9a-f]{64}")

routes = guarded_router()


@routes.head(PATH, include_in_schema=False)
@routes.get(
    PATH,
    response_class=StreamingResponse,
    responses=document.file(403, 404, 409, 410, 416),
)
@needs("get", "content")
async def get_content(
    schedule_id: ScheduleId,
    execution_id: str,
    request: Request,
    schedules: Store,
    sender: Sender,
) -> Response:
    """Return the file that a run kept: from a volume by itself, from S3 as a redirect.

    Of a file on a volume, Range, If-Range and If-None-Match are obeyed; HEAD works too.
    """
    schedule = await schedules.get(schedule_id)
    run = runs.named(schedule, execution_id)
    place = location.place(schedule, run)
    if place.kind == "s3":
        buckets: Buckets = request.app.state.buckets
        token = bearer(request.headers.get("authorization")) if sender.caller.by_token else None
        link = await buckets.link(sender.caller, token, schedule, place, request.method)
        return RedirectResponse(link, 307)
    return await _from_volume(request, sender.caller.user, schedule, run, place)


async def _from_volume(
    request: Request, caller: str, schedule: JSON, run: JSON, place: Place
) -> Response:
    size, etag = run.get("bytes", 0), _etag(run)
    asked = dict(request.headers)
    if request.method == "HEAD":
        asked.pop("range", None)  # it is GET's alone
    sent = location.excerpt(asked, etag, size)
    headers = {**_described(place, run, schedule["spec"]), **sent.headers}
    mounted: Volumes = request.app.state.volumes
    source = mounted.open(schedule["metadata"]["namespace"], place, size)
    if sent.status == 304 or request.method == "HEAD":
        async with source:
            return Response(status_code=sent.status, headers=headers)
    streams: Streams = request.app.state.streams
    told = partial(volumes.read, wanted=sent.bytes)
    return await streams.answer(caller, source, told, headers, sent.status)


def _etag(run: JSON) -> str:
    digest = run.get("sha256", "")
    return f'"{digest}"' if _SHA256.fullmatch(digest) else ""


def _described(place: Place, run: JSON, spec: JSON) -> dict[str, str]:
    """Return what the answer says of a file: nobody's browser is to run it as a page of ours."""
    name = place.path.rpartition("/")[2]
    said = run.get("contentType", "")
    if spec.get("format", Format.RAW) != Format.RAW:  # that was the page, and this is made of it
        said = mimetypes.guess_type(name)[0] or ""
    etag = _etag(run)
    return {
        "Content-Type": said if _MEDIA_TYPE.fullmatch(said) else "application/octet-stream",
        "Content-Disposition": f"attachment; {_named(name)}",
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes",
        **({"ETag": etag} if etag else {}),
    }


def _named(name: str) -> str:
    """curl reads the plain parameter alone; whoever reads the other one takes that (RFC 6266)."""
    return f"filename=\"{_NOT_PLAIN.sub('_', name)}\"; filename*=utf-8''{quote(name, safe='')}"
