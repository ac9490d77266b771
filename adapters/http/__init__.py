"""The HTTP API: everything under /v1, its problem details, and its documentation at /docs."""
