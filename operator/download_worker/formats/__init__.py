"""Other formats in which a body is saved: HTML in UTF-8, text, markdown, JSON, PDF.

May import `download` and what that imports. Each format is loaded by the attempts that ask for it.
"""
