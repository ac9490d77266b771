"""The auditor's view: the story of a reading, a line, a contract, a person and more, in the book's order.

One story a file; each finds the sequences that belong to it and lets `telling` tell them.
"""
