"""`python -m tests.stage.deploy NAME`: build, load and install on that cluster."""

import sys

from tests import cluster
from tests.stage.install import install_by_helm, load_images


def main() -> int:
    """Deploy; return the exit code."""
    made = cluster.up(sys.argv[1], node=True)
    load_images(made)
    install_by_helm(made)
    print(f"export KUBECONFIG={made.kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
