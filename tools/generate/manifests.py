"""`python -m tools.generate.manifests write|check`: all generated files.

manifests/crd.yaml comes from the models, and the chart has a copy of it. manifests/install.yaml is
the chart rendered with its defaults. docs/api/openapi.json is the description that the HTTP API
serves, and docs/api/api-reference.md is the same for people. docs/reference comes from the
code.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from download_api.app import build_app
from download_api.settings import Settings
from download_kube.login import login
from tools.cluster import binaries
from tools.generate import api_reference
from tools.generate.reference import pages

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "charts" / "download-operator"
NAMESPACE = "download-operator"

CRD = Path("manifests/crd.yaml")
CHART_CRD = Path("charts/download-operator/files/crd.yaml")
INSTALL = Path("manifests/install.yaml")
OPENAPI = Path("docs/api/openapi.json")
REFERENCE = Path("docs/api/api-reference.md")
ALL = (CRD, CHART_CRD, INSTALL, OPENAPI, REFERENCE, *pages.PATHS)

_HEAD = f"""# Generated from charts/download-operator by `make generate`; do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def generate(root: Path) -> None:
    """Write all generated files below *root*."""
    for path in ALL:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "download_schedule.crd", str(root / CRD)], check=True)
    (root / CHART_CRD).write_bytes((root / CRD).read_bytes())
    (root / INSTALL).write_text(_HEAD + rendered())
    description = build_app(Settings(), login).openapi()
    (root / OPENAPI).write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    (root / REFERENCE).write_text(api_reference.render(description))
    for path, text in pages.pages().items():
        (root / path).write_text(text)


def rendered() -> str:
    """Return the chart as `helm template` renders it with its defaults."""
    helm = binaries.ensure("helm")["helm"]
    return subprocess.run(
        [helm, "template", NAMESPACE, str(CHART), f"--namespace={NAMESPACE}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def stale() -> list[Path]:
    """Return the generated files that are out of date."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return [
            path
            for path in ALL
            if not (REPOSITORY / path).exists()
            or (REPOSITORY / path).read_bytes() != (Path(folder) / path).read_bytes()
        ]


def main() -> int:
    """Write or check; return the exit code."""
    match sys.argv[1:]:
        case ["write"]:
            generate(REPOSITORY)
            return 0
        case ["check"]:
            for path in (outdated := stale()):
                print(f"{path} is out of date: run `make generate` and commit it", file=sys.stderr)
            return 1 if outdated else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
