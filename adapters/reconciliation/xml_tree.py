"""XML from outside as a small tree of elements, without anything that XML can do beyond that.

A document type declaration, and with it every entity, is refused before it is read; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from ledger.refusal import Refused

DEPTH_MAX: Final = 50
BYTES_MAX: Final = 64 * 2**20
_CUT: Final = {
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
"""What expat reports only at the end of the file."""


class Element:
    """`name` without its namespace; `text` without surrounding blanks."""

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.children: list[Element] = []
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def all(self, path: str) -> Iterator[Element]:
        """The elements at a path of names such as `NtryDtls/TxDtls`, in order."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> Element | None:
        return next(self.all(path), None)

    def text_at(self, *paths: str) -> str:
        """The text of the first of the paths that has one; empty for none."""
        for path in paths:
            for element in self.all(path):
                if element.text:
                    return element.text
        return ""


def parse(data: bytes) -> Element:
    """The root element.

    Raises:
        Refused: `empty_file`, `file_too_large`, `xml_doctype`, `xml_depth`, `truncated_file`, `xml`.
    """
    if not data.strip():
        raise Refused("empty_file", "the file holds nothing")
    if len(data) > BYTES_MAX:
        raise Refused("file_too_large", f"an XML file may have {BYTES_MAX} bytes")
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}"
        if error.code in _CUT:
            raise Refused("truncated_file", "the file ends inside an element", place=place) from None
        raise Refused("xml", f"this is not XML: {expat.ErrorString(error.code)}", place=place) from None
    assert builder.root is not None
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.open: list[Element] = []
        self.root: Element | None = None

    def _doctype(self, *_: object) -> None:
        reason = "a document type declaration: statements have none, and it could define entities"
        raise Refused("xml_doctype", reason, place=f"line {self.parser.CurrentLineNumber}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        if len(self.open) >= DEPTH_MAX:
            raise Refused(
                "xml_depth", f"elements are nested more than {DEPTH_MAX} deep", place=f"line {line}"
            )
        element = Element(name.rpartition(" ")[2], attributes, line)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _: str) -> None:
        self.open.pop()

    def _characters(self, text: str) -> None:
        self.open[-1].parts.append(text)
