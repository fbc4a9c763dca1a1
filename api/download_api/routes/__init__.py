"""HTTP in, HTTP out: one module a resource of the API.

May import every other folder of the package. Nothing imports it but `app`.
"""
