"""The command line and the configuration of each component. Pure.

Options that look odd are needed on Debian 12 with cgroups v1 and without CAP_SYS_RESOURCE.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.cluster.paths import (
    DNS_SERVICE,
    NODE,
    NODE_ADDRESS,
    NODE_POD_RANGE,
    PAUSE_IMAGE,
    POD_RANGE,
    SERVICE_RANGE,
    Layout,
)

Programs = dict[str, Path]

API_SERVER = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
CONTROL_PLANE = (*API_SERVER, *CONTROLLERS)
NODE_COMPONENTS = ("containerd", "kubelet", "kube-proxy", "coredns")
NODE_PROGRAMS = (
    *NODE_COMPONENTS,
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "bridge",
    "loopback",
    "host-local",
    "pause",
)


def argv(component: str, layout: Layout, programs: Programs) -> list[str]:
    """Return the command line of a component."""
    arguments: dict[str, Callable[[Layout], list[str]]] = {
        "etcd": _etcd,
        "kube-apiserver": _api_server,
        "kube-controller-manager": _controller_manager,
        "kube-scheduler": _scheduler,
        "containerd": lambda layout: ["--config", str(layout.folder / "containerd.toml")],
        "kubelet": _kubelet,
        "kube-proxy": lambda layout: ["--config", str(layout.folder / "kube-proxy.json")],
        "coredns": lambda layout: ["-conf", str(layout.folder / "Corefile")],
    }
    return [str(programs[component]), *arguments[component](layout)]


def _etcd(layout: Layout) -> list[str]:
    client = f"http://127.0.0.1:{layout.etcd_port}"
    return [
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls=http://127.0.0.1:{layout.etcd_port + 1}",
        "--quota-backend-bytes=8589934592",
        "--unsafe-no-fsync",
    ]


def _api_server(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        f"--secure-port={layout.api_port}",
        f"--bind-address={'0.0.0.0' if layout.isolated else layout.address}",
        f"--advertise-address={layout.advertised}",
        f"--endpoint-reconciler-type={'lease' if layout.isolated else 'none'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-key-file={pki / 'service-accounts.key'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        # OpenShift enables it: an owner reference needs the right to change the owner's finalizers.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={pki / 'admin.crt'}",
        f"--kubelet-client-key={pki / 'admin.key'}",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [f"--kubeconfig={layout.kubeconfig}", "--secure-port=0", "--leader-elect=false"]


def _kubelet(layout: Layout) -> list[str]:
    return [
        f"--config={layout.folder / 'kubelet.json'}",
        f"--kubeconfig={layout.kubeconfig}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={layout.folder / 'kubelet'}",
        f"--cert-dir={layout.folder / 'kubelet-pki'}",
    ]


def node_files(layout: Layout, programs: Programs) -> dict[str, str]:
    """Return the configuration files of a node, by their names in the cluster's folder."""
    return {
        "containerd.toml": _toml(_containerd(layout, programs)),
        "kubelet.json": json.dumps(_kubelet_configuration(layout)),
        "kube-proxy.json": json.dumps(_proxy_configuration(layout)),
        "Corefile": _corefile(layout),
        "resolv.conf": "nameserver 127.0.0.1\n",
        "cni/10-bridge.conflist": json.dumps(_network(layout)),
    }


def _containerd(layout: Layout, programs: Programs) -> dict[str, Any]:
    runtime = {
        "runtime_type": "io.containerd.runc.v2",
        "runtime_path": str(programs["containerd-shim-runc-v2"]),
        "options": {"BinaryName": str(programs["runc"]), "SystemdCgroup": False},
    }
    return {
        "version": 3,
        "root": str(layout.folder / "containerd"),
        "state": "/run/containerd",
        "grpc": {"address": str(layout.containerd_socket)},
        "plugins": {
            "io.containerd.cri.v1.images": {"pinned_images": {"sandbox": PAUSE_IMAGE}},
            "io.containerd.cri.v1.runtime": {
                "restrict_oom_score_adj": True,
                "cni": {
                    "bin_dirs": [str(programs["bridge"].parent)],
                    "conf_dir": str(layout.folder / "cni"),
                },
                "containerd": {"default_runtime_name": "runc", "runtimes": {"runc": runtime}},
            },
        },
    }


def _kubelet_configuration(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": layout.cgroup,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "podLogsDir": str(layout.folder / "logs" / "pods"),
        "resolvConf": str(layout.folder / "resolv.conf"),
        "serializeImagePulls": False,
    }


def _proxy_configuration(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "conntrack": {"maxPerCore": 0, "min": 0},
        "hostnameOverride": NODE,
        "mode": "nftables",
    }


def _network(layout: Layout) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(layout.folder / "cni-addresses"),
            "ranges": [[{"subnet": NODE_POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "bridge", "plugins": [bridge]}


def _corefile(layout: Layout) -> str:
    return f""".:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {layout.kubeconfig}
    }}
    cache 5
}}
"""


def _toml(tree: dict[str, Any], path: str = "") -> str:
    """Return nested tables as TOML, which the standard library can only read."""
    plain = {key: value for key, value in tree.items() if not isinstance(value, dict)}
    lines = [f"[{path}]"] if path and plain else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines.append(_toml(value, f"{path}.'{key}'" if path else f"'{key}'"))
    return "\n".join(lines)
