"""``python -m tests.chaos``: one scenario on a cluster of its own; exit code 1 on a violation."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.scenario import Outcome, Scenario, run_scenario
from tools.cluster import binaries, local
from tools.cluster.kubectl import Kubectl

CRD = Path(__file__).parents[2] / "manifests" / "crd.yaml"


def main() -> int:
    """Run the scenario of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30, help="of the operator, with SIGKILL")
    parser.add_argument("--restarts", type=int, default=3, help="of the API server")
    parser.add_argument("--seed", type=int, default=20261123)
    scenario = Scenario(**vars(parser.parse_args()))
    print(f"==> a control plane, then {scenario}", flush=True)
    with local.temporary("chaos", node=False) as cluster:
        kubectl = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
        kubectl("apply", f"--filename={CRD}")
        kubectl("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
        kubectl("create", "namespace", "chaos")
        with tempfile.TemporaryDirectory() as folder:
            outcome = asyncio.run(run_scenario(scenario, cluster, "chaos", Path(folder)))
    report(scenario, outcome)
    return 1 if outcome.violations else 0


def report(scenario: Scenario, outcome: Outcome) -> None:
    """Print every violation, and one line about the scenario."""
    for violation in outcome.violations:
        print(violation)
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.faults.items()))
    print(
        f"{outcome.runs} runs of {scenario.schedules} schedules in {outcome.seconds:.0f} s, "
        f"operator killed {outcome.kills} times, API server restarted {outcome.restarts} times, "
        f"{outcome.cuts} connections cut, {sum(outcome.faults.values())} responses spoilt "
        f"({faults}), operator ended {outcome.exits} times by itself: "
        f"{len(outcome.violations)} violations"
    )


if __name__ == "__main__":
    sys.exit(main())
