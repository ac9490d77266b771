"""A tier that takes what certain streams earned."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.clauses.by_service import ByService
from ledger.clauses.flow import Flow, Outcome, Part, Phase, one_of
from ledger.refusal import Refused
from ledger.stream import Stream


class StreamTier(ByService, frozen=True, kw_only=True, omit_defaults=True, tag="stream_tier"):
    """The by-stream form of co-investment (DOMAIN.md 2.3): the sum of `streams`, as far as the pool reaches.

    Costs and losses of other streams come off the tiers that stand later; streams that earned less than
    nothing leave the tier empty and lower what is left.
    """

    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        for index, stream in enumerate(self.streams):
            one_of(stream, Stream, f"streams[{index}]")
        if not self.streams or len(set(self.streams)) != len(self.streams):
            raise Refused("streams", "name at least one stream, each once", place="streams")
        super().__post_init__()

    @property
    def phase(self) -> Phase:
        return "tier"

    def apply(self, flow: Flow) -> Outcome:
        """Take what the streams earned."""
        earned = sum(flow.streams.get(stream, 0) for stream in self.streams)
        taken = max(0, min(earned, flow.remaining))
        parts = self.divide(flow, taken, " + ".join(self.streams))
        if taken == flow.remaining:
            return Outcome(taken, parts)
        return Outcome(taken, tuple(self._of_streams(flow, taken, part) for part in parts))

    def _of_streams(self, flow: Flow, taken: int, part: Part) -> Part:
        each = part.exact * flow.unit / taken
        return replace(part, per_stream=dict.fromkeys(self.streams, each))
