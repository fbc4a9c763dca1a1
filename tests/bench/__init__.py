"""The operator's speed, beside a tuned Go controller and the bare API server, in one run."""
