"""Which language a text is in, and what PostgreSQL's word search needs to know about it; no model is called."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# ISO 639-1 code → the text search configuration of PostgreSQL. Only what every version from 16 on ships: "estonian"
# came with 18. "simple" serves every other language.
TEXT_SEARCH_CONFIGURATIONS: dict[str, str] = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
DEFAULT_CONFIGURATION = "simple"

# Written without spaces between words (Korean: with spaces, but particles grow onto the words).
CHARACTER_PAIR_LANGUAGES = frozenset({"zh", "ja", "ko", "th"})

# Rare relatives (Luxembourgish, Nynorsk, Pidgin, Wu) would only steal short questions from languages that people use.
OTHER_LANGUAGES = "bg bn cs et fa he hr is ja ka km ko lo lv mk ml ms my pl sk sl sq sw te th uk ur vi zh"
DETECTED_LANGUAGES = frozenset({*TEXT_SEARCH_CONFIGURATIONS, *OTHER_LANGUAGES.split()}) - {"nn"}
# Measured on 4,961 English, 1,190 German and 1,190 Chinese questions: .997, .997 and 1.0 right, 3 wrong, the rest
# unsure. Below this the guess is worth little ("VPN", "hello").
SURE = 0.4
# Three samples of this many characters tell as much as a whole book: 800 English, 80 German and 80 Chinese documents
# of three paragraphs were all recognised, with half as many characters, too; a third of a millisecond was 300's price.
SAMPLE_CHARACTERS = 120


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language of `text`, or "" when it is too short or too mixed to tell."""
    sample = sampled(text)
    if not re.search(r"[^\W\d_]", sample):
        return ""
    language, confidence = identifier().classify(sample)
    return str(language) if confidence >= SURE else ""


def sampled(text: str) -> str:
    """Take the beginning, the middle and the end: a manual may open with a page of English licence."""
    if len(text) <= 3 * SAMPLE_CHARACTERS:
        return text
    middle = len(text) // 2
    parts = (text[:SAMPLE_CHARACTERS], text[middle : middle + SAMPLE_CHARACTERS], text[-SAMPLE_CHARACTERS:])
    return "\n".join(parts)


@lru_cache(maxsize=1)
def identifier() -> LanguageIdentifier:
    """Load the classifier, 0.6 s and 60 MB, and let go of the languages that we do not tell apart."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier
    from py3langid.modelio import load_model

    weights, priors, classes, moves, outputs_row, outputs = load_model(MODEL_DIR / MODEL_FILE)
    kept = [index for index, language in enumerate(classes) if language in DETECTED_LANGUAGES]
    return LanguageIdentifier(
        weights[:, kept].copy(),
        priors[kept],
        [classes[index] for index in kept],
        moves,
        outputs,
        norm_probs=True,
        tk_row=outputs_row,
    )


def search_configuration(language: str) -> str:
    """Name the text search configuration for an ISO 639-1 code such as "de" or "pt-BR"."""
    return TEXT_SEARCH_CONFIGURATIONS.get(primary(language), DEFAULT_CONFIGURATION)


def needs_character_pairs(language: str) -> bool:
    """Say whether words of this language are found only when `character_pairs` prepares text and question."""
    return primary(language) in CHARACTER_PAIR_LANGUAGES


def primary(language: str) -> str:
    return re.split(r"[-_]", language, maxsplit=1)[0].lower()


# Han with its iteration marks, both kana with the long-vowel mark, half-width kana, bopomofo, hangul.
CJK = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# A Thai letter keeps the vowel and tone marks that stand above or below it.
THAI_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
RUN = re.compile(f"[{CJK}]+|[\u0e01-\u0e2e\u0e30\u0e32\u0e33\u0e40-\u0e46{THAI_MARKS}]+")
LETTER = re.compile(f"[^{THAI_MARKS}][{THAI_MARKS}]*|[{THAI_MARKS}]+")
WORD = re.compile(r"\w+")
SINGLE = re.compile(f"[{CJK}]")


def character_pairs(text: str) -> str:
    """Rewrite every run of Chinese, Japanese, Korean or Thai letters as overlapping pairs: 返品期限 → 返品 品期 期限.

    Other words stay as they are, so mixed text may be given as a whole, and so may any other language. Documents and
    questions must both pass here before `to_tsvector` (measured: MRR .131 → .955 for Chinese).
    """
    return RUN.sub(pairs_of_run, text)


def pairs_of_run(run: re.Match[str]) -> str:
    letters: str | list[str] = run.group()
    if "\u0e00" < letters[0] < "\u0e7f":
        letters = LETTER.findall(run.group())
    if len(letters) == 1:
        return f" {letters[0]} "
    return f" {' '.join(map(str.__add__, letters, letters[1:]))} "


def single_characters(text: str) -> list[str]:
    """The characters of a question that has nothing but Chinese, Japanese or Korean ones, each by itself; or none.

    They have no pair, and are found through all the pairs that hold them. Thai letters by themselves mean nothing.
    """
    words = list(dict.fromkeys(WORD.findall(text)))
    return words if all(map(SINGLE.fullmatch, words)) else []
