"""Cuts a checked answer into what it says: each sentence with its place in the text and the passages it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from magnet.providers.sentences import FENCE, HEADING, TABLE_ROW, TABLE_RULE, ends_sentence

# Sentences and their markers end together: models write "nine [1]." and "nine. [1]".
END = re.compile(r"[.!?…؟۔।]+[\"'”’»)]*(?:[ \t]*\[\d{1,3}\])*(?=\s|\Z)|[。！？｡]+[」』”’）]*(?:[ \t]*\[\d{1,3}\])*")
MARKER = re.compile(r"[ \t]*\[(\d{1,3})\]")
ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
QUOTE = re.compile(r"(?:\s*>)+\s?")
LETTER = re.compile(r"[^\W_]")
# Said to be polite, or to say that there is nothing to say: no passage could bear it out.
GREETING = re.compile(
    r"^(?:hi|hello|dear|sure|certainly|of course|gladly|thanks?|thank you|you're welcome|please let me know|"
    r"i hope|hope this|let me know|feel free|here (?:is|are)|in short|hallo|gerne|guten tag|ich hoffe|danke|"
    r"hier (?:ist|sind)|"
    r"bonjour|bien sûr|voici|merci|j'espère|hola|claro|por supuesto|aquí|gracias|espero|ciao|certo|ecco|grazie|"
    r"olá|obrigad|sveiki|labdien|paldies|dzień dobry|dziękuję|здравствуйте|спасибо|您好|你好|谢谢|当然)\b",
    re.IGNORECASE,
)
ABOUT_PASSAGES = (
    r"passages?|documents?|sources?|information|details|texts?|context|excerpts?|auszüg\w*|textstell\w*|passagen|"
    r"dokument\w*|quellen|angaben|informationen|documentos?|información|fuentes?|informations?|informazion\w*|"
    r"documenti|informatie|documenten|informacj\w*|informācij\w*|информаци\w*|资料|信息|文档|段落"
)
ABSENCE = (
    r"not|no|nothing|cannot|can't|don't|doesn't|keine?|nicht|nichts|ne|pas|aucune?|rien|no|ningun\w*|nada|non|"
    r"nessun\w*|niets|geen|niet|nie|brak|nav|не|нет|没有|不|未"
)
# English needs the subject: "Decaf has no caffeine" is a statement, "the passages do not say" is none.
NOTHING_FOUND = re.compile(
    rf"^(?=.*\b(?:{ABOUT_PASSAGES})\b)(?=.*\b(?:{ABSENCE})\b).*\b(?:say|says|mention\w*|contain\w*|state[sd]?|cover\w*|"
    r"answer\w*|describe\w*|provide\w*|include\w*|specif\w*|found|find|sagen|nenn\w*|erwähn\w*|enthalten|enthält|steht|"
    r"beantwort\w*|gefunden|finde\w*|mentionn\w*|indiqu\w*|contien\w*|trouv\w*|précis\w*|mencion\w*|indica\w*|"
    r"encontr\w*|menzion\w*|contengono|trovat\w*|vermeld\w*|gevonden|bevatten|zawiera\w*|znalaz\w*|atrad\w*)\b"
    r"|^(?:i|we) (?:found|find|have found|could find|know) (?:nothing|no)\b|(?:没有|未).{0,6}(?:提到|说明|提及|找到)"
    r"|^(?:ich habe (?:dazu |darüber )?nichts|je n'ai rien|no (?:he )?encontr|non ho trovato|ik heb niets)",
    re.IGNORECASE | re.DOTALL,
)
FEWEST_LETTERS = 3


@dataclass(frozen=True)
class Claim:
    """A sentence at `start`–`end` of the answer. `nearby`: the citations that follow in its paragraph or list, where
    it has none of its own. `is_statement` is False for what nothing could bear out: questions, thanks, introductions.
    """

    start: int
    end: int
    text: str
    citations: tuple[int, ...]
    nearby: tuple[int, ...] = ()
    is_statement: bool = True


@dataclass(frozen=True)
class _Block:
    start: int
    text: str


def claims_in(answer: str) -> list[Claim]:
    """What the answer says, in its order; headings and code are left out."""
    found: list[Claim] = []
    for group in _groups(answer):
        found += _with_nearby([claim for block in group for claim in _sentences(block)])
    return found


def _with_nearby(claims: list[Claim]) -> list[Claim]:
    """Who writes three sentences and one number behind them means all three."""
    following: tuple[int, ...] = ()
    for index in range(len(claims) - 1, -1, -1):
        following = claims[index].citations or following
        if not claims[index].citations:
            claims[index] = replace(claims[index], nearby=following)
    return claims


def _groups(answer: str) -> Iterator[list[_Block]]:
    """Paragraphs and lists, each as its blocks: the lines of a paragraph are one, each item and row is one."""
    group: list[_Block] = []
    is_code = False
    for start, line in _lines(answer):
        if FENCE.match(line):
            is_code = not is_code
        elif line.strip() and not is_code and not HEADING.match(line):
            _add(group, start, line)
            continue
        if group and not is_code:
            yield group
            group = []
    if group:
        yield group


def _add(group: list[_Block], start: int, line: str) -> None:
    if TABLE_RULE.match(line):
        # What stands above the rule are the names of columns.
        group.clear()
        return
    begun = QUOTE.match(line)
    at = begun.end() if begun else 0
    item = ITEM.match(line, at)
    if item or not group or TABLE_ROW.match(line):
        cut = item.end() if item else at
        group.append(_Block(start + cut, line[cut:]))
        return
    last = group[-1]
    gap = " " * (start - last.start - len(last.text))
    group[-1] = _Block(last.start, last.text + gap + " " * at + line[at:])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _sentences(block: _Block) -> Iterator[Claim]:
    text, start = block.text, 0
    ends = [match.end() for match in END.finditer(text) if ends_sentence(text, match)]
    for end in [*ends, len(text)]:
        if (claim := _claim(text[start:end], at=block.start + start)) is not None:
            yield claim
        start = end


def _claim(piece: str, *, at: int) -> Claim | None:
    stripped = piece.strip()
    if not LETTER.search(MARKER.sub("", stripped)):
        return None
    start = at + len(piece) - len(piece.lstrip())
    said = " ".join(MARKER.sub("", stripped).split())
    citations = tuple(dict.fromkeys(int(number) for number in MARKER.findall(stripped)))
    return Claim(start, start + len(stripped), said, citations, is_statement=states_something(said))


def states_something(text: str) -> bool:
    """Whether somebody could ask where that stands."""
    said = text.strip("*_ ")
    if said.endswith(("?", "？", "؟", ":", "：")) or len(LETTER.findall(said)) < FEWEST_LETTERS:
        return False
    return GREETING.match(said) is None and NOTHING_FOUND.search(said) is None
