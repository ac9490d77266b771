from tests.adapters.cli.test_as_of import *
from tests.adapters.http import as_of_stream as s
def test_dbg(stream):
    def take(kind):
        stream.number += 1
        a = s.STEPS[kind](stream, stream.number); stream.api.wait()
        print(kind, stream.api.bench.now, a.status_code, a.text[:600])
    for kind in ("settle", "issue", "party", "elsewhere", "market_fact", "unit", "bank", "capital", "key"): take(kind)
    stream.seal()
    for kind, hours in (
        ("site", 24 * 40), ("reading", -24 * 50), ("settle", 1), ("capital", 0), ("close", 24), ("cash", 0),
        ("unit", 0), ("contract", -1), ("calendar", 0), ("key", 0), ("elsewhere", 0), ("market_fact", 0),
    ): 
        stream.turn_clock(timedelta(hours=hours)); take(kind)
    assert 0
