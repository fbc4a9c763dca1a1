"""HTTP in, HTTP out: one module for each resource of the API.

May import every other folder of the package. Only `app` imports it.
"""
