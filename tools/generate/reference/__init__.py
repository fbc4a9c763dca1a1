"""The pages of docs/reference, made from the code. Each module renders one page and is pure.

`pages.py` alone runs programs and reads files; `tools/generate/manifests.py` writes the result.
"""
