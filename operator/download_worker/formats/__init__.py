"""Other shapes in which a body is kept: text, markdown, JSON, PDF.

May import `download` and what that imports. Each format is loaded by the attempts that ask for it.
"""
