"""The images, built from the Dockerfile with whatever the machine has."""

from tools.images.build import OPTIONAL, TARGETS, build, building, reference

__all__ = ["OPTIONAL", "TARGETS", "build", "building", "reference"]
