"""Chunks of source code that end between functions and classes, by a real parser of each language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.node_parsers import pieces_of, spans
from knowledge.chunkers.parts import trimmed
from magnet.tokens import encoding

FENCED = re.compile(r"^(?P<fence>`{3,}|~{3,})(?P<language>[\w+#-]*)[^\n]*\n(?P<body>.*?)^(?P=fence)\s*$", re.M | re.S)
# The grammar (a module with a function) of what readers and people write behind a fence.
GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "py": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "js": ("tree_sitter_javascript", "language"),
    "jsx": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "ts": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "rs": ("tree_sitter_rust", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "cs": ("tree_sitter_c_sharp", "language"),
}


class CodeConfig(BaseModel):
    """How long a chunk may be."""

    model_config = ConfigDict(extra="forbid", title="Source code")

    max_tokens: int = Field(
        512, ge=64, le=2048, title="Longest chunk (tokens)", description="About 40 lines of code are 512 tokens."
    )


class CodeChunker(Chunker):
    label: ClassVar[str] = "Source code"
    description: ClassVar[str] = (
        "Keeps functions and classes whole (Python, JavaScript, TypeScript, Java, Go, Rust, C#); "
        "cuts other texts by lines."
    )
    Config: ClassVar[type[BaseModel]] = CodeConfig

    def split(self, text: str) -> list[Piece]:
        return list(pieces_of(text, self._places(text), max_tokens=self.config.max_tokens))

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """The pieces of each block of code, and what stands between the blocks."""
        position = 0
        for block in FENCED.finditer(text):
            yield from trimmed(text, position, block.start())
            yield from self._of_code(block["language"].lower(), text, *block.span("body"))
            position = block.end()
        yield from trimmed(text, position, len(text))

    def _of_code(self, language: str, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        if language not in GRAMMARS:
            yield from trimmed(text, start, end)
            return
        from llama_index.core.node_parser import CodeSplitter

        splitter = CodeSplitter(
            language=language,
            parser=parser_of(language),
            count_mode="token",
            max_tokens=self.config.max_tokens,
            tokenizer=encoding().encode_ordinary,
        )
        for first, last in spans(splitter, text[start:end]):
            yield start + first, start + last


def parser_of(language: str) -> Any:
    from tree_sitter import Language, Parser

    module, function = GRAMMARS[language]
    return Parser(Language(getattr(import_module(module), function)()))
