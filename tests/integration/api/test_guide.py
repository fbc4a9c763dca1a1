"""The shell blocks of the guide to the HTTP API run as they stand there."""

import httpx

from tests.support.api_process import KEY
from tests.support.documents import DOCS, blocks, run_shell
from tools.cluster.host import require_program
from tools.cluster.kubectl import Kubectl


def test_shell_blocks_run(api: httpx.Client, kubectl: Kubectl) -> None:
    require_program("curl", "curl")
    script = "".join(blocks(DOCS / "guides" / "http-api.md", "sh"))
    address = str(api.base_url).rstrip("/")

    done = run_shell(script, {"API": address, "TOKEN": KEY})

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"name":"Daily report"' in done.stdout
    assert len(kubectl.list("dls")) == 1
