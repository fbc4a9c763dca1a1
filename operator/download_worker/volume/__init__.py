"""Files on a PersistentVolumeClaim: resume, commit, `keepLast`.

May import `download`, `writer` and what these import. Nothing in here follows a symbolic link.
"""
