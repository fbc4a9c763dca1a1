"""The speed of operator, worker and API, each in one run with what it is held beside."""
