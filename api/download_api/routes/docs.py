"""The API's description, and a page that shows it, without a CDN and with a strict policy."""

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from download_api.openapi.document import describe_in_json

SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's icons
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""People type their key into this page: it runs only our scripts, sends only to us, and no other
page can frame it."""
_HEADERS: Final = {
    "Content-Security-Policy": SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "max-age=3600",
}
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>download-operator: HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_FILES: Final = Path(fastapi_offline.__file__).parent / "static"
"""Swagger UI as this package ships it."""

routes = APIRouter(include_in_schema=False)


@routes.api_route("/openapi.json", methods=["GET", "HEAD"])
async def get_description(request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(describe_in_json(request.app), media_type="application/json")


@routes.get("/docs")
async def show_documentation() -> Response:
    """Return the page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@routes.get("/docs/start.js")
async def get_start_script() -> Response:
    """Return the script that starts Swagger UI. Inline, the policy would forbid it."""
    return Response(_START, headers=_HEADERS, media_type="text/javascript")


@routes.get("/docs/swagger-ui-bundle.js")
async def get_script() -> Response:
    """Return Swagger UI's script."""
    return FileResponse(_FILES / "swagger-ui-bundle.js", headers=_HEADERS)


@routes.get("/docs/swagger-ui.css")
async def get_style() -> Response:
    """Return Swagger UI's style sheet."""
    return FileResponse(_FILES / "swagger-ui.css", headers=_HEADERS)
