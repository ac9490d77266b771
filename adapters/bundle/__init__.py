"""Proof bundles: files that prove a statement, or a whole book, to somebody who trusts nobody.

docs/bundle-format.md specifies them; examples/verifier/verify_bundle.py checks them and knows nothing of us.
"""
