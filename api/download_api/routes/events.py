"""The route of what happens."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse

from download_api.auth.guard import needs
from download_api.openapi import document
from download_api.routes.dependencies import LabelSelector, Namespace, Sender, guarded_router, now
from download_api.server.streams import Streams
from download_api.store import watch
from download_api.store.watch import Feed, Opened
from download_schedule.validation import Check, matching

_EVENT_ID: Final = Check(
    matching(r"^([1-9][0-9]{0,17})?\z", "write the id of an event, or leave it out")
)

routes = guarded_router()


@routes.get(
    "/events",
    response_class=StreamingResponse,
    responses=document.events(403),
)
@needs("watch")
async def follow_schedules(
    request: Request,
    sender: Sender,
    namespace: Namespace = None,
    label_selector: LabelSelector = "",
    last_event_id: Annotated[str, _EVENT_ID, Header(description="To go on after that event.")] = "",
) -> Response:
    """Tell of every change to schedules, of one namespace or of all, as it happens."""
    streams: Streams = request.app.state.streams
    source: Feed = request.app.state.feed
    place = namespace or ""
    may = partial(sender.to_watch, place)
    await may()

    async def told(opened: Opened) -> AsyncIterator[bytes]:
        yield opened.begin
        async for event in streams.follow(opened.read, may):
            yield watch.event(event, now()) if event else watch.ALIVE

    opened = source.open(place, label_selector, last_event_id)
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return await streams.answer(sender.caller.user, opened, told, headers)
