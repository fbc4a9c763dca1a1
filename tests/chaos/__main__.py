"""``python -m tests.chaos``: a storm on its own control plane; exit code 1 on any deviation."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.scenario import Plan, blow
from tests.support.kubectl import Kubectl
from tools.cluster import binaries, local

CRD = Path(__file__).parents[2] / "manifests" / "crd.yaml"


def main() -> int:
    """Obey the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30, help="of the operator, with SIGKILL")
    parser.add_argument("--restarts", type=int, default=3, help="of the API server")
    parser.add_argument("--seed", type=int, default=20261123)
    arguments = parser.parse_args()
    plan = Plan(**vars(arguments))
    print(f"==> a control plane, then {plan}", flush=True)
    cluster = local.up("chaos", node=False)
    try:
        kubectl = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
        kubectl("apply", f"--filename={CRD}")
        kubectl("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
        kubectl("create", "namespace", "chaos")
        with tempfile.TemporaryDirectory() as folder:
            outcome = asyncio.run(blow(plan, cluster, "chaos", Path(folder)))
    finally:
        cluster.down()
    for sentence in outcome.wrong:
        print(sentence)
    print(
        f"{outcome.runs} runs over {plan.schedules} schedules in {outcome.seconds:.0f} s, "
        f"operator killed {outcome.kills} times, API server restarted {outcome.restarts} times, "
        f"{outcome.cuts} connections cut, {sum(outcome.troubles.values())} answers spoilt "
        f"({', '.join(f'{n} {kind}' for kind, n in sorted(outcome.troubles.items()))}), "
        f"operator ended {outcome.ends} times by itself: {len(outcome.wrong)} deviations"
    )
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
