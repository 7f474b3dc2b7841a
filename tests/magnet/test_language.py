"""Languages are told without a network, and PostgreSQL finds words in every one of them."""

import os
import subprocess
import sys

import pytest
from django.db import connection

from magnet.language import (
    TEXT_SEARCH_CONFIGURATIONS,
    character_pairs,
    detect,
    needs_character_pairs,
    search_configuration,
    single_characters,
)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset my password?", "en"),
        ("Wie lange habe ich Urlaub?", "de"),
        ("Comment changer mon mot de passe ?", "fr"),
        ("¿Cómo cambio mi contraseña?", "es"),
        ("Come posso annullare un ordine?", "it"),
        ("Hoe kan ik mijn wachtwoord wijzigen?", "nl"),
        ("Jak zresetować hasło?", "pl"),
        ("Где мой заказ?", "ru"),
        ("退货政策是什么？", "zh"),
        ("返品したいのですが", "ja"),
        ("비밀번호를 잊어버렸어요", "ko"),
    ],
)
def test_a_short_question_is_enough(text, language):
    assert detect(text) == language


@pytest.mark.parametrize("text", ["", "   ", "1234", "!?", "VPN", "🙂", "x"])
def test_it_says_so_when_it_cannot_tell(text):
    assert detect(text) == ""


def test_a_long_manual_with_an_english_licence_is_still_german():
    licence = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software. " * 6
    manual = "Drücken Sie die Taste, bis die Lampe leuchtet, und warten Sie einige Sekunden. " * 2_000

    assert detect(licence + manual) == "de"


@pytest.mark.django_db
def test_postgresql_has_every_configuration_that_is_named():
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config")
        available = {name for (name,) in cursor.fetchall()}

    assert {*TEXT_SEARCH_CONFIGURATIONS.values(), "simple"} <= available


def test_a_configuration_is_found_for_every_spelling_of_a_code():
    assert search_configuration("de") == search_configuration("de-AT") == search_configuration("DE_de") == "german"
    assert search_configuration("xx") == search_configuration("") == "simple"


def test_only_scripts_without_spaces_need_pairs():
    assert [code for code in ("zh", "zh-TW", "ja", "ko", "th", "de", "en", "") if needs_character_pairs(code)] == [
        "zh",
        "zh-TW",
        "ja",
        "ko",
        "th",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("退货政策", ["退货", "货政", "政策"]),
        ("用API查询订单v2", ["用", "API", "查询", "询订", "订单", "v2"]),
        (
            "返品は30日、コーヒー・カップ",
            ["返品", "品は", "30", "日", "、", "コー", "ーヒ", "ヒー", "・", "カッ", "ップ"],
        ),
        ("반품 정책은", ["반품", "정책", "책은"]),
        ("สวัสดี", ["สวั", "วัส", "สดี"]),
        ("𠮷野家", ["𠮷野", "野家"]),
        ("Grüße, naïve café", ["Grüße,", "naïve", "café"]),
    ],
)
def test_runs_of_characters_become_pairs_and_other_words_stay(text, words):
    assert character_pairs(text).split() == words


@pytest.mark.parametrize(
    ("question", "letters"),
    [
        ("税", ["税"]),
        (" 税？", ["税"]),
        ("茶、茶 酒", ["茶", "酒"]),
        ("차", ["차"]),
        # A pair, or a word beside it, says enough.
        ("税金", []),
        ("税 VPN", []),
        ("3月", []),
        ("a", []),
        ("？", []),
    ],
)
def test_a_question_of_single_characters_is_recognised(question, letters):
    assert single_characters(question) == letters


@pytest.mark.django_db
def test_a_chinese_question_finds_its_text():
    text, question = "我们的退货政策规定三十天内可以退款。", "退款"
    match = "SELECT to_tsvector('simple', %s) @@ plainto_tsquery('simple', %s)"

    with connection.cursor() as cursor:
        cursor.execute(match, [text, question])
        assert cursor.fetchone() == (False,)
        cursor.execute(match, [character_pairs(text), character_pairs(question)])
        assert cursor.fetchone() == (True,)


NO_NETWORK = """
import socket
def refuse(*_, **__): raise AssertionError("reached for the network")
socket.socket.connect = socket.getaddrinfo = refuse
from magnet.language import detect
from magnet.tokens import count_tokens
print(detect("Wie lange habe ich Urlaub?"), count_tokens("hello world"))
import sys
print("llama_index.core" in sys.modules)
"""


def test_nothing_is_downloaded_and_nothing_heavy_imported(tmp_path):
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)}

    told = subprocess.run(
        [sys.executable, "-c", NO_NETWORK], env=environment, capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == ["de", "2", "False"]
