"""``python -m download_api``: serve the HTTP API, or make its key."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import uvicorn

from download_api.app import build_app
from download_api.cluster import Cluster
from download_api.make_key import make_key
from download_api.settings import Settings, help_text

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
    if arguments.command == "make-key":
        key = asyncio.run(_make_key(arguments))
        arguments.file.touch(mode=0o600)
        arguments.file.write_bytes(key)
        return 0
    return _serve()


def _serve() -> int:
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.key_file is None:
        log.warning(
            "no API key is configured (DOWNLOAD_API_KEY_FILE): listening on %s only", settings.bind
        )
    uvicorn.run(
        build_app(settings, Cluster.connect),
        host=settings.bind,
        port=settings.port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    return 0


async def _make_key(arguments: argparse.Namespace) -> bytes:
    cluster = await Cluster.connect()
    try:
        return await make_key(cluster, arguments.namespace, arguments.secret)
    finally:
        await cluster.close()


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
