"""`python -m tools.demo.deploy CLUSTER`: build the images and install them on that cluster."""

import argparse
import sys

from tools import cluster as clusters
from tools import command
from tools.demo.install import NAMESPACE, install_by_helm, kubectl_of, load_images


def main() -> None:
    """Install the chart with images of the sources as they are now."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo.deploy", description=__doc__)
    parser.add_argument("cluster", help="name of the cluster, which is created if it is missing")
    with clusters.unless_interrupted(parser.parse_args().cluster, node=True) as cluster:
        load_images(cluster)
        install_by_helm(cluster)
        # The tag of the images never changes, so Helm sees nothing to do after a change of them.
        kubectl = kubectl_of(cluster, NAMESPACE)
        kubectl("rollout", "restart", "deployment")
        kubectl("rollout", "status", "deployment", "--timeout=120s", timeout=130)
    print(f"export KUBECONFIG={cluster.kubeconfig}")


if __name__ == "__main__":
    sys.exit(command.run(main))
