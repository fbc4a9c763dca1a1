"""A real Kubernetes for tests, for the demo and for people."""
