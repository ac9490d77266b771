"""The demo: the ledger's main job on real servers, in chapters, saying what is real and what is simulated."""

from adapters.demo.chapters import Chapter, run_demo

__all__ = ["Chapter", "run_demo"]
