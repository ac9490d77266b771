"""OpenADR 3 demand response: what goes over the wire, a client (VEN) and a small server (VTN) of our own.

`wire` has the messages, `response_call` the neutral struct that leaves this folder, `ven` the client. See
docs/openadr.md for what of the specification is taken, and what is not.
"""
