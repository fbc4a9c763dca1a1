"""The contract with one attempt: what goes into its Pod, what comes out, where its files are.

The operator, the API and the worker import it. Standard library only: every Pod loads it.
"""
