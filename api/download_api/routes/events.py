"""The route of changes as they happen."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from download_api.auth.guard import requires
from download_api.openapi import responses
from download_api.problems.problem import ProblemError
from download_api.routes.dependencies import (
    Access,
    LabelSelector,
    Namespace,
    ScheduleStore,
    ScheduleWatcher,
    Settings,
    Streams,
    guarded_router,
    now,
)
from download_api.store.watch import HEARTBEAT, OpenWatch, to_server_sent_event
from download_schedule.validation import Check, matching

_EVENT_ID: Final = Check(
    matching(r"^([1-9][0-9]{0,17})?\z", "write the id of an event, or leave it out")
)

routes = guarded_router()


@routes.get(
    "/events",
    response_class=StreamingResponse,
    responses=responses.events(403),
)
@requires("watch")
async def follow_schedules(
    watcher: ScheduleWatcher,
    schedules: ScheduleStore,
    settings: Settings,
    streams: Streams,
    access: Access,
    namespace: Namespace = None,
    label_selector: LabelSelector = "",
    last_event_id: Annotated[
        str, _EVENT_ID, Header(description="Go on after the event with this id.")
    ] = "",
) -> Response:
    """Follow the changes of schedules as they happen, as server-sent events.

    An API that serves a list of namespaces follows one of them.
    """
    scope = _scope(schedules, settings, namespace or "")
    check_access = partial(access.check_watch, scope)
    await check_access()

    async def read(watch: OpenWatch) -> AsyncIterator[bytes]:
        yield watch.preamble
        async for event in streams.follow(watch.read, check_access):
            yield to_server_sent_event(event, now()) if event else HEARTBEAT

    source = watcher.open(scope, label_selector, last_event_id)
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return await streams.respond(access.caller.user, source, read, headers)


def _scope(schedules: ScheduleStore, settings: Settings, namespace: str) -> str:
    """Return what to watch for the schedules of *namespace*, or of all if it is empty.

    Raises:
        ProblemError: 422, it is not one list of the API server.
    """
    scopes = schedules.lists.scopes(namespace)
    if not scopes:
        message = f"namespace: {settings.served.refusal(namespace)}"
        raise ProblemError(422, "validation_error", message)
    if len(scopes) > 1:
        message = f"namespace: a stream follows one namespace; write for example {scopes[0]}"
        raise ProblemError(422, "validation_error", message)
    return scopes[0]
