"""`python -m tools.demo.deploy NAME`: build, load and install on that cluster."""

import sys

from tools import cluster
from tools.demo.install import NAMESPACE, install_by_helm, kubectl_of, load_images
from tools.images.engine import BuildFailedError


def main() -> int:
    """Deploy; return the exit code."""
    try:
        _deploy(sys.argv[1])
    except (*cluster.TROUBLE, BuildFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _deploy(name: str) -> None:
    made = cluster.up(name, node=True)
    load_images(made)
    install_by_helm(made)
    # The tag stays while the images change, so that Helm sees nothing to do.
    kubectl = kubectl_of(made, NAMESPACE)
    kubectl("rollout", "restart", "deployment")
    kubectl("rollout", "status", "deployment", "--timeout=120s", timeout=130)
    print(f"export KUBECONFIG={made.kubeconfig}")


if __name__ == "__main__":
    sys.exit(main())
