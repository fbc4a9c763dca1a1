"""The node of a local cluster: containerd, kubelet, kube-proxy and DNS."""

import json
from pathlib import Path

from tools.cluster import addons, binaries, cgroups, components, host, image_archive, supervisor
from tools.cluster.paths import PAUSE_IMAGE, Layout
from tools.cluster.processes import kubectl, run_inside, start, step, wait


def add_node(layout: Layout) -> None:
    """Add a node to a control plane, with DNS and volumes, and wait until it is ready.

    Raises:
        ToolError: A component died or was not ready in time, or the machine lacks a program.
    """
    for program in (("nft", "nftables"), ("ip", "iproute2"), ("mount", "mount")):
        host.require_program(*program)
    programs = binaries.ensure(*components.NODE_PROGRAMS)
    for name, text in components.node_files(layout, programs).items():
        (layout.folder / name).write_text(text)
    _create_volumes(layout)
    cgroups.create(layout)
    start("containerd", layout, programs)
    wait("containerd", lambda: _containerd_responds(layout), layout)
    _load_pause_image(layout, programs["pause"])
    for component in ("kubelet", "kube-proxy", "coredns"):
        start(component, layout, programs)
    with step("node"):
        manifests = {"apiVersion": "v1", "kind": "List", "items": addons.manifests(layout)}
        kubectl(layout, "apply", "--filename=-", stdin=json.dumps(manifests))
        wait("the node", lambda: _is_ready(layout), layout)


def load_image(layout: Layout, archive: Path) -> None:
    """Load an image, as `docker save` writes it, onto the node."""
    run_inside(layout, *_ctr_images(layout), "import", str(archive))


def _create_volumes(layout: Layout) -> None:
    for number in range(addons.VOLUMES):
        path = Path(addons.volume_path(layout, number))
        path.mkdir(parents=True)
        path.chmod(0o777)


def _load_pause_image(layout: Layout, program: Path) -> None:
    archive = layout.folder / "pause.tar"
    image_archive.write_image(archive, PAUSE_IMAGE, {"pause": program.read_bytes()}, "/pause")
    load_image(layout, archive)


def _ctr_images(layout: Layout) -> list[str]:
    program = binaries.ensure("ctr")["ctr"]
    return [str(program), f"--address={layout.containerd_socket}", "-n=k8s.io", "images"]


def _containerd_responds(layout: Layout) -> bool:
    request = {"do": "run", "argv": [*_ctr_images(layout), "list"]}
    return bool(supervisor.ask(layout.socket, request)["code"] == 0)


def _is_ready(layout: Layout) -> bool:
    path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    return kubectl(layout, "get", "nodes", f"--output={path}") == "True"
