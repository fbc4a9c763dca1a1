"""A real S3 server (SeaweedFS) on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
import pycurl
from obstore.store import S3Store

from tools.cluster.kubectl import wait_for
from tools.cluster.ports import free_ports

KEY_ID = "the-key"
SECRET = "the-secret"
WEED = Path(sys.executable).parent / "weed"
WRITER = "the-writer"
"""Access key that may put objects, but neither read nor list them."""
BUCKET = "downloads"


def _identity(key: str, action: str) -> dict[str, object]:
    credentials = [{"accessKey": key, "secretKey": SECRET}]
    return {"name": key, "credentials": credentials, "actions": [action]}


CONFIG = json.dumps(
    {"identities": [_identity(KEY_ID, "Admin"), _identity(WRITER, f"Write:{BUCKET}")]}
)
"""Identities and their permissions, in the form of SeaweedFS."""


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket."""

    endpoint: str
    bucket: str = BUCKET

    @property
    def store(self) -> S3Store:
        """A client with all permissions."""
        return S3Store(
            self.bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def names(self) -> list[str]:
        """Return the keys of all objects, sorted."""
        return sorted(item["path"] for page in self.store.list() for item in page)

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        return bytes(obstore.get(self.store, key).bytes())

    def attributes(self, key: str) -> dict[str, str]:
        """Return the content type and metadata of an object."""
        return {str(name): value for name, value in obstore.get(self.store, key).attributes.items()}


@contextmanager
def running(folder: Path, address: str = "127.0.0.1") -> Iterator[S3Server]:
    """Run a server that keeps its files in *folder*, until the block ends."""
    config = folder / "s3.json"
    config.write_text(CONFIG)
    roles = ("s3", "master", "volume", "filer")
    names = [f"{role}.port{kind}" for role in roles for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names), address), strict=True))
    # Port 0 turns a service off. With their default ports, two servers would collide.
    ports |= {"s3.port.iceberg": 0, "s3.port.lance": 0}
    options = [f"-{name}={port}" for name, port in ports.items()]
    data = folder / "weed"
    data.mkdir()
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(WEED, "server", f"-dir={data}", "-s3", f"-s3.config={config}"),
                *(f"-ip={address}", f"-ip.bind={address}", "-master.volumeSizeLimitMB=100"),
                *("-volume.max=100", "-master.telemetry=false", *options),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        server = S3Server(f"http://{address}:{ports['s3.port']}")
        wait_for(f"the S3 server, see {folder / 'weed.log'}", lambda: make_bucket(server))
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_bucket(server: S3Server) -> bool:
    """Create the bucket; return False if the server does not respond yet.

    obstore has no function for it.
    """
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{server.endpoint}/{server.bucket}")
    curl.setopt(pycurl.CUSTOMREQUEST, "PUT")
    curl.setopt(pycurl.AWS_SIGV4, "aws:amz:us-east-1:s3")
    curl.setopt(pycurl.USERPWD, f"{KEY_ID}:{SECRET}")
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    curl.setopt(pycurl.PROXY, "")
    try:
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE) in (200, 409)
    except pycurl.error:
        return False
    finally:
        curl.close()
