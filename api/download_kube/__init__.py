"""The way to the API server: client, login, paths, reflector and Lease.

The operator and the HTTP API import it. It knows the names of the resource, and neither process.
"""
