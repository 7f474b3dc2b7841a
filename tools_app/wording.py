"""What can be compared of two texts without a model: their words, numbers, names, and whether they deny something."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from magnet.language import RUN, character_pairs

NUMBER = re.compile(r"(?<![0-9A-Za-z_.,])\d+(?:[.,:\u00a0\u202f'’ ]\d{3}(?!\d))*(?:[.,:]\d+)?")
WORD = re.compile(r"[^\W_][\w.:/’'-]*[^\W_]|[^\W_]")
THOUSANDS = re.compile(r"[.,\u00a0\u202f'’ ](?=\d{3}(?!\d))")
CLAUSE = re.compile(
    r"[,;:—–]\s+|\s[–—-]\s+|[，；、：]|\s(?:but|and|who|which|except|aber|sondern|und|außer|mais|et|sauf|pero|sino|y|ma|e|"
    r"maar|en|ale|i|bet|un|но|и)\s",
    re.IGNORECASE,
)
# Two to twelve as people write them. One is left out: in many languages it is the article, too.
COUNTED = {
    word: number
    for number, words in enumerate(
        (
            "two zwei deux dos due twee dwa divi два",
            "three drei trois tres tre drie trzy trīs три",
            "four vier quatre cuatro quattro cztery četri четыре",
            "five fünf cinq cinco cinque vijf pięć pieci пять",
            "six sechs seis sei zes sześć seši шесть",
            "seven sieben sept siete sette zeven siedem septiņi семь",
            "eight acht huit ocho otto osiem astoņi восемь",
            "nine neun neuf nueve nove negen dziewięć deviņi девять",
            "ten zehn dix diez dieci tien dziesięć desmit десять",
            "eleven elf onze once undici elf jedenaście vienpadsmit",
            "twelve zwölf douze doce dodici twaalf dwanaście divpadsmit",
        ),
        start=2,
    )
    for word in words.split()
}
STOP_WORDS = frozenset(
    """
    the and for are was were been being has have had its his her their they them this that these those with from into
    onto than then there here when where which who whom whose what why how will would shall should can could may might
    must does did doing done you your our ours she him one also such some any all each every both only just very more
    most other same own about above after again against because before below between down during off once out over
    through under until upon while per via etc get gets got use used using let lets order able become becomes
    der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden wurde wurden
    hat haben hatte mit von vom zum zur für auf aus bei nach über unter vor auch sich sie er es ihr wir man wenn dass
    als wie was wer nur noch kann können muss müssen soll sollen darf dürfen durch beim ins wenn
    les des une est sont été était avec dans pour par sur qui que dont pas aux ces ses son leur leurs elle elles ils
    nous vous cette cet lorsqu lorsque faut peut doit doivent être avoir
    los las una unos unas del con para por que qué son está están ser hay como más sus este esta estos estas puede
    pueden debe deben partir
    gli della dei delle nel nella con per che sono dal dalla alla allo anche come può possono deve bisogna
    het een van met voor naar zijn wordt worden kan kunnen mag mogen moet moeten aan bij ook als dat die dit
    jest są oraz przez dla się nie jak może mogą na
    """.split()  # noqa: SIM905 (a list of quoted words would be three times as long)
)
NEGATIONS = frozenset(
    """
    not no never cannot without nothing none neither nor nobody can't don't doesn't isn't aren't won't wasn't weren't
    didn't nicht kein keine keinen keinem keiner keines nie niemals nichts ohne pas jamais aucun aucune sans rien
    nunca sin ningún ninguna nada non mai senza nessun nessuna niet geen nooit zonder nie bez nav nevar nekad não sem
    не нет без никогда
    """.split()  # noqa: SIM905 (as above)
)
CHINESE_NEGATION = re.compile("[不没未無无非勿]")
NEGATIVE_PREFIX = re.compile(r"(?:un|non|in|im|ir|dis)[^\W\d_]{4}")
OPPOSITES = (
    ("open", "clos"), ("open", "shut"), ("geöffnet", "geschlossen"), ("öffne", "schließ"), ("ouver", "ferm"),
    ("ouvr", "ferm"), ("abiert", "cerrad"), ("apert", "chius"), ("upward", "downward"), ("internal", "external"),
    ("increas", "decreas"), ("rise", "fall"), ("rais", "lower"), ("erhöh", "senk"), ("steig", "sink"),
    ("before", "after"), ("minimum", "maximum"), ("accept", "refus"), ("accept", "reject"), ("allow", "forbid"),
    ("allow", "refus"), ("permit", "prohibit"), ("enabl", "disabl"), ("includ", "exclud"), ("always", "never"),
    ("erlaub", "verboten"), ("immer", "nie"), ("first", "last"), ("above", "below"), ("public", "private"),
    ("atvērt", "slēgt"), ("mandatory", "optional"), ("required", "optional"), ("cheap", "expensive"),
)  # fmt: skip
ORDERED = {
    word: number
    for number, words in enumerate(
        (
            "second zweite zweiten deuxième segundo secondo tweede",
            "third dritte dritten troisième tercero terzo derde",
            "fourth vierte vierten quatrième cuarto quarto vierde",
            "fifth fünfte fünften cinquième quinto vijfde",
            "sixth sechste sechsten sixième sexto sesto zesde",
            "seventh siebte siebten septième séptimo settimo zevende",
            "eighth achte achten huitième octavo ottavo achtste",
            "ninth neunte neunten neuvième noveno nono negende",
            "tenth zehnte zehnten dixième décimo decimo tiende",
        ),
        start=2,
    )
    for word in words.split()
}
NUMBER_WORDS = COUNTED | ORDERED
IN_CODE = re.compile(r"`([^`]+)`")
OPPOSITE_OF: dict[str, set[str]] = {}
for _one, _other in OPPOSITES:
    OPPOSITE_OF.setdefault(_one, set()).add(_other)
    OPPOSITE_OF.setdefault(_other, set()).add(_one)
WITH_OPPOSITE = re.compile(r"\b(?:" + "|".join(OPPOSITE_OF) + ")")
# A word is another form of one with which it shares so much of its beginning.
SHARED_BEGINNING, LEAST_BEGINNING = 0.75, 4
UNIT_REACH = 1


@dataclass(frozen=True)
class Wording:
    """A text, taken apart once. `words` are content words in small letters; runs of CJK give pairs of characters."""

    text: str

    @cached_property
    def tokens(self) -> list[str]:
        return WORD.findall(character_pairs(self.text) if RUN.search(self.text) else self.text)

    @cached_property
    def numbers(self) -> frozenset[str]:
        written = {normal_number(number) for number in NUMBER.findall(self.text)}
        parts = {part for word in self.lowered for part in (word, word.partition("-")[0])}
        counted = {str(NUMBER_WORDS[part]) for part in parts & NUMBER_WORDS.keys()}
        return frozenset(written | counted)

    @cached_property
    def lowered(self) -> list[str]:
        return [token.lower() for token in self.tokens]

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(word for word in set(self.lowered) if is_content(word))

    @cached_property
    def names(self) -> frozenset[str]:
        """Capitalised inside the text, or a code."""
        found = {token for token in self.tokens[1:] if token[0].isupper()}
        return frozenset(word for token in found if (word := token.lower()) in self.words) | self.codes

    @cached_property
    def codes(self) -> frozenset[str]:
        """Written as codes are: MD5, MAGNET_SECRET_KEY, PayPal, and what stands between backticks."""
        found = {token for token in self.tokens if is_code(token)}
        found.update(token for part in IN_CODE.findall(self.text) for token in WORD.findall(part))
        return frozenset(word for token in found if (word := token.lower()) in self.words)

    @cached_property
    def beginnings(self) -> dict[str, list[str]]:
        by_beginning: dict[str, list[str]] = {}
        for word in self.words:
            by_beginning.setdefault(word[:LEAST_BEGINNING], []).append(word)
        return by_beginning

    @cached_property
    def clauses(self) -> list[Wording]:
        return [Wording(part) for part in CLAUSE.split(self.text) if part.strip()]

    @cached_property
    def measures(self) -> dict[str, set[str]]:
        """The numbers before each unit: of “49 dollars a month”, dollars → 49."""
        found: dict[str, set[str]] = {}
        for match in NUMBER.finditer(self.text):
            following = WORD.match(self.text[match.end() :].lstrip(" \u00a0-"))
            unit = following[0].lower() if following else self.text[match.end() : match.end() + 2].strip()[:1]
            if unit:
                found.setdefault(unit[:5], set()).add(normal_number(match[0]))
        return found

    @cached_property
    def poles(self) -> frozenset[str]:
        """The beginnings of its words that have an opposite: of “opens at nine”, open."""
        return frozenset(WITH_OPPOSITE.findall(self.text.lower()))

    @cached_property
    def denials(self) -> int:
        """How often it says no."""
        return sum(word in NEGATIONS for word in self.lowered) + len(CHINESE_NEGATION.findall(self.text))

    @cached_property
    def may_deny(self) -> bool:
        return self.denials > 0 or any(NEGATIVE_PREFIX.match(word) for word in self.words)

    def has(self, word: str) -> bool:
        """The word itself or another form of it."""
        if word in self.words:
            return True
        return any(is_form_of(word, other) for other in self.beginnings.get(word[:LEAST_BEGINNING], ()))

    def lacking(self, words: Iterable[str]) -> list[str]:
        return sorted(word for word in words if not self.has(word))


@lru_cache(maxsize=20_000)
def is_content(word: str) -> bool:
    if RUN.match(word):
        return True
    is_short = len(word) < 3 and not any(letter.isdigit() for letter in word)
    is_count = word in NUMBER_WORDS or NUMBER.fullmatch(word) is not None
    return not (is_short or is_count or word in STOP_WORDS or word in NEGATIONS)


def is_code(token: str) -> bool:
    has_capitals_inside = any(letter.isupper() for letter in token[1:])
    has_digit = any(letter.isdigit() for letter in token) and any(letter.isalpha() for letter in token)
    return has_capitals_inside or has_digit or "_" in token


@lru_cache(maxsize=20_000)
def is_form_of(word: str, other: str) -> bool:
    shorter = min(len(word), len(other))
    shared = next((n for n in range(shorter) if word[n] != other[n]), shorter)
    return shared >= max(LEAST_BEGINNING, SHARED_BEGINNING * shorter)


def normal_number(written: str) -> str:
    """1,000 and 1 000 are 1000; 3,5 is 3.5; 9:00 is 9."""
    plain = THOUSANDS.sub("", written).replace(",", ".")
    plain = re.sub(r":00$", "", plain)
    return plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0"


def stem_in(text: Wording, stem: str) -> str:
    return next((word for word in sorted(text.words) if word.startswith(stem)), "")
