"""The contract with one attempt: what goes into its Pod and what comes out.

The operator and the worker both import it. Standard library only: every Pod loads it.
"""
