"""The images of the three processes, built from the Dockerfile with whatever the machine has."""

from tests.images.build import TARGETS, build, reference

__all__ = ["TARGETS", "build", "reference"]
