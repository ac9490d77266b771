"""What was said once is not looked for among the patterns again."""

from __future__ import annotations

import pytest

from adapters.documents import language
from adapters.documents.language import Wording


def test_the_same_note_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    note = "discharged, peak; said by no pattern"
    looked: list[str] = []
    phrases = language._phrases

    def counted() -> tuple[language._Phrase, ...]:
        looked.append(note)
        return phrases()

    monkeypatch.setattr(language, "_phrases", counted)
    language._said.cache_clear()
    first = Wording("zh").phrase(note)
    assert len(looked) == 3, "the whole, then each of its parts"
    assert Wording("zh").phrase(note) == first
    assert len(looked) == 3
    assert Wording("en").phrase(note) == note
