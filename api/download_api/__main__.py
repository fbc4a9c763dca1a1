"""``python -m download_api``: serve the HTTP API, or make its key."""

import argparse
import asyncio
import logging
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from download_api.app import FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS, build_app
from download_api.bootstrap_key import ensure_key
from download_api.server.protocol import LimitedHTTPProtocol
from download_api.server.streams import Streams
from download_api.settings import PREFIX, Settings, help_text
from download_kube.client import KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.login import NoClusterError, login

log = logging.getLogger("download_api")

EPILOG = f"""The cluster is that of the Pod's service account, or of KUBECONFIG. `serve` reads its
settings from the environment:

{help_text()}"""


def main() -> int:
    """Run the command and return the exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return _make_key(arguments) if arguments.command == "make-key" else _serve()
    except NoClusterError as error:
        print(f"no cluster: {error}", file=sys.stderr)
        return 2


def _serve() -> int:
    try:
        settings = Settings.from_environment()
        login()  # to fail before the ports are opened if no cluster is configured
        listener = _listen("PORT", settings.bind, settings.port)
        monitoring_listener = None
        if settings.metrics_port:
            monitoring_listener = _listen("METRICS_PORT", settings.bind, settings.metrics_port)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.is_open:
        log.warning(
            "authentication is disabled (neither DOWNLOAD_API_AUTH nor DOWNLOAD_API_KEY_FILE is"
            " set): listening on %s only",
            settings.bind,
        )
    config = uvicorn.Config(
        build_app(settings, login, monitoring_listener),
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=30,
        http=LimitedHTTPProtocol,
        ws="none",
        access_log=False,
        # By default uvicorn trusts loopback, from where every kubectl port-forward comes.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = _Server(config)
    log.info("listening on %s port %d", settings.bind, settings.port)
    server.run([listener])
    return 0 if server.started else 3


def _listen(setting: str, host: str, port: int) -> socket.socket:
    """Return a socket that listens on *port* of *host*.

    Raises:
        ValueError: the port cannot be used; the message names the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"{PREFIX}{setting}: {port} cannot be used: {error.strerror}") from error
    # Connections inherit it. asyncio sets it only for sockets that name the protocol TCP, and
    # create_server leaves the protocol at 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Ends streams at a signal. uvicorn would wait for them, as for any other response."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.started:
            streams: Streams = self.lifespan.state["streams"]
            streams.stop()


def _make_key(arguments: argparse.Namespace) -> int:
    async def read_or_create() -> bytes:
        client = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
        try:
            return await ensure_key(client, arguments.namespace, arguments.secret)
        finally:
            await client.close()

    try:
        key = asyncio.run(read_or_create())
    except (ApiError, UnreachableError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    arguments.file.touch(mode=0o600)
    arguments.file.write_bytes(key)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m download_api",
        description="Serve the HTTP API, or make its key.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve the API (the default)")
    make_key = commands.add_parser(
        "make-key", help="write the API key to a file; if its Secret has none, make one"
    )
    make_key.add_argument("--namespace", required=True, help="namespace of the Secret")
    make_key.add_argument("--secret", required=True, help="name of the Secret")
    make_key.add_argument("--file", required=True, type=Path, help="file to write the key to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
