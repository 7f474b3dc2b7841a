"""Source code: one fenced block in its language, so that nothing in it is taken for a heading or a list."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import decode

# Extension → language, as Markdown names it. No style sheets, lock files or build output: nobody asks about those.
LANGUAGES: dict[str, str] = {
    ".py": "python",
    ".js": "javascript",
    ".jsx": "jsx",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".java": "java",
    ".kt": "kotlin",
    ".scala": "scala",
    ".go": "go",
    ".rs": "rust",
    ".c": "c",
    ".h": "c",
    ".cpp": "cpp",
    ".hpp": "cpp",
    ".cs": "csharp",
    ".swift": "swift",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".lua": "lua",
    ".r": "r",
    ".sql": "sql",
    ".sh": "bash",
    ".ps1": "powershell",
    ".vue": "vue",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".tf": "hcl",
    ".proto": "protobuf",
    ".graphql": "graphql",
}


class CodeReader(Reader):
    label: ClassVar[str] = "Source code"
    # A website's scripts are no documents, so JavaScript is known by its name only.
    media_types: ClassVar[tuple[str, ...]] = ("text/x-python", "text/x-java", "text/x-c", "application/sql")
    extensions: ClassVar[tuple[str, ...]] = tuple(LANGUAGES)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        text = decode(body, filename=filename)
        if not text.strip():
            return Extract(text="")
        path = PurePath(filename)
        fence = "```"
        while fence in text:
            fence += "`"
        return Extract(text=f"{fence}{LANGUAGES.get(path.suffix.lower(), '')}\n{text}\n{fence}", title=path.name)
