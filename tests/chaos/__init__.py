"""Runs on a real control plane while everything around the operator breaks."""
