"""``python -m download_api``: serve the HTTP API, or make its key."""

import argparse
import asyncio
import logging
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from download_api.app import FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS, build_app
from download_api.bootstrap_key import make_key
from download_api.server.protocol import PunctualProtocol
from download_api.settings import PREFIX, Settings, help_text
from download_kube.client import ApiError, KubeClient, UnreachableError
from download_kube.login import NoClusterError, login

log = logging.getLogger("download_api")

EPILOG = f"""KUBECONFIG or the Pod's service account says in which cluster. Settings of `serve` come
from the environment:

{help_text()}"""


def main() -> int:
    """Obey the command line; return the exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return _make_key(arguments) if arguments.command == "make-key" else _serve()
    except NoClusterError as unknown:
        print(f"no cluster: {unknown}", file=sys.stderr)
        return 2


def _serve() -> int:
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.is_open:
        log.warning(
            "nobody is asked who he is (DOWNLOAD_API_AUTH, DOWNLOAD_API_KEY_FILE):"
            " listening on %s only",
            settings.bind,
        )
    login()  # says now what is wrong with it
    try:
        own = _listener("PORT", settings.bind, settings.port)
        metrics = None
        if settings.metrics_port:
            metrics = _listener("METRICS_PORT", settings.bind, settings.metrics_port)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    app = build_app(settings, login, metrics)
    config = uvicorn.Config(
        app,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=30,
        http=PunctualProtocol,
        ws="none",
        access_log=False,
        # uvicorn would believe whoever comes from loopback, and that is everybody's port-forward.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = _Server(config, app)
    log.info("listening on port %d of %s", settings.port, settings.bind)
    server.run([own])
    return 0 if server.started else 3


def _listener(setting: str, host: str, port: int) -> socket.socket:
    """Return what listens on *port* of *host*.

    Raises:
        ValueError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"{PREFIX}{setting}: {port} cannot be had: {error.strerror}") from error
    # Connections inherit it: asyncio looks for TCP in a number that create_server leaves at 0.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class _Server(uvicorn.Server):
    """Has streams end at a signal: uvicorn would wait for them as for every answer."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if streams := getattr(self._app.state, "streams", None):
            streams.stop()


def _make_key(arguments: argparse.Namespace) -> int:
    async def made() -> bytes:
        cluster = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
        try:
            return await make_key(cluster, arguments.namespace, arguments.secret)
        finally:
            await cluster.close()

    try:
        key = asyncio.run(made())
    except (ApiError, UnreachableError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    arguments.file.touch(mode=0o600)
    arguments.file.write_bytes(key)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m download_api",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve the API (what happens without a command)")
    make = commands.add_parser("make-key", help="make the API key's Secret unless it is there")
    make.add_argument("--namespace", required=True)
    make.add_argument("--secret", required=True, help="name of the Secret")
    make.add_argument("--file", required=True, type=Path, help="file to write the key to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
