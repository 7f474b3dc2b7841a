"""One search over several sources, in several languages, with several embedding models."""

from __future__ import annotations

import pytest

from knowledge import retrieval
from knowledge.models import Document
from magnet.database import forget_configuration, in_database
from magnet.models import AIModel
from tests import factories
from tests.knowledge.chunks import Page, add_pages, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]


async def found(query: str, *sources: str, **how) -> list[str]:
    result = await retrieval.search(query, sources=sources, **{"limit": 10, **how})
    return [passage.remote_id for passage in result.passages]


def german(remote_id: str, text: str) -> Page:
    return Page(remote_id, text, language="de")


def chinese(remote_id: str, text: str) -> Page:
    return Page(remote_id, text, language="zh")


# -- Languages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("en", "The printers are being repaired.", "repairing a printer"),
        ("de", "Die Häuser wurden verkauft.", "Wer verkaufte das Haus?"),
        ("fr", "Les chevaux mangeaient des pommes.", "la pomme que nous mangeons"),
        ("ru", "Документы отправлены клиентам.", "отправить документ клиенту"),
        ("zh", "商品的返品期限为三十天。", "返品期限是多久"),
        ("ja", "返品期限は三十日です。", "返品はいつまでですか"),
        ("ko", "반품 기한은 삼십일입니다.", "반품하려면"),
        ("th", "ระยะเวลาคืนสินค้าสามสิบวัน", "คืนสินค้า"),
        ("", "Zażółć gęślą jaźń VPN", "vpn"),
    ],
)
async def test_words_are_found_in_the_way_of_their_language(language, text, question):
    pages = [Page("right", text, language=language), Page("wrong", "12345 67890", language=language)]
    await in_database(make_source, "texts", pages)

    assert await found(question, "texts", mode="words") == ["right"]


@pytest.mark.parametrize(
    ("language", "texts", "question"),
    [
        # At the beginning of a run of characters, at its end, alone, and beside another.
        ("zh", ["税金很高。", "什么是纳税？", "关于 税 的规定"], "税？"),
        ("ja", ["お茶の時間", "緑茶", "茶"], "茶"),
        ("ko", ["차는 주차장에 있다", "새로 산 차", "그 차 수리"], "차"),
        ("zh", ["茶叶便宜", "我喝咖啡和酒"], "茶、酒"),
    ],
)
async def test_a_single_character_is_found_wherever_it_stands(language, texts, question):
    right = [Page(f"right {number}", text, language=language) for number, text in enumerate(texts)]
    await in_database(make_source, "texts", [*right, Page("wrong", "三十天 삼십일 ばん", language=language)])

    assert sorted(await found(question, "texts", mode="words")) == [page.remote_id for page in right]


async def test_a_single_character_is_found_in_all_searched_sources_and_no_other():
    await in_database(make_source, "old", [chinese("old", "旧的税金")])
    await in_database(make_source, "new", [chinese("new", "新的税率"), Page("English", "税 is tax.")])
    await in_database(make_source, "secret", [chinese("secret", "逃税")])

    assert sorted(await found("税", "old", "new", mode="words")) == ["English", "new", "old"]
    assert (await found("税", "new"))[0] in ("new", "English")


async def test_where_much_holds_a_character_as_many_passages_are_found_as_were_asked_for():
    pages = [chinese(str(number), f"税{chr(0x4E00 + number)}、{number}") for number in range(300)]
    await in_database(make_source, "texts", pages)

    assert len(await found("税", "texts", mode="words", limit=60)) == 60


async def test_a_source_of_several_languages_is_searched_in_each():
    pages = [
        Page("en", "Refunds are paid within two weeks."),
        german("de", "Rückzahlungen erfolgen in zwei Wochen."),
        chinese("zh", "两周内退款。"),
    ]
    await in_database(make_source, "texts", pages)

    assert await found("Is a refund paid?", "texts", mode="words") == ["en"]
    assert await found("Wann erfolgt die Rückzahlung?", "texts", mode="words") == ["de"]
    assert await found("什么时候退款", "texts", mode="words") == ["zh"]


async def test_the_stop_words_of_the_question_match_nothing_in_other_languages():
    pages = [
        Page("dice", "The die was cast, and was lost in the war."),
        german("war", "Die Rechnung war falsch."),
        german("what", "Was the Beatles sangen."),
    ]
    await in_database(make_source, "texts", pages)

    assert await found("Wie war die Rechnung?", "texts", mode="words") == ["war"]
    assert await found("Who was it that cast the die?", "texts", mode="words") == ["dice"]


async def test_documents_in_a_new_language_are_found_once_the_cached_languages_are_older_than_a_moment():
    texts = await in_database(make_source, "texts", [Page("en", "Refunds take two weeks.")])
    assert await found("Rückzahlung", "texts", mode="words") == []

    await in_database(add_pages, texts, [german("de", "Alle Rückzahlungen erfolgen sofort.")])
    forget_configuration()

    assert await found("Rückzahlung", "texts", mode="words") == ["de"]


# -- Sources -------------------------------------------------------------------------------------------------------


async def test_passages_of_several_sources_are_ranked_together():
    def make() -> None:
        make_source("wiki", [Page("w1", "The canteen serves lunch at noon."), Page("w2", "Bicycles stand outside.")])
        make_source("news", [Page("n1", "A new canteen opened, lunch costs five euros."), Page("n2", "It rains.")])

    await in_database(make)

    both = await retrieval.search("How much is lunch in the canteen?", sources=["wiki", "news"], limit=3)

    assert [(p.source, p.remote_id) for p in both.passages[:2]] in (
        [("wiki", "w1"), ("news", "n1")],
        [("news", "n1"), ("wiki", "w1")],
    )
    # Normalised once: only one passage of both sources has the full score for its words.
    assert [p.word_score for p in both.passages].count(max(p.word_score for p in both.passages)) == 1
    assert await found("bicycles", "news") != await found("bicycles", "wiki", "news")


async def test_a_word_is_as_rare_as_it_is_in_all_searched_sources_together():
    def make() -> None:
        make_source("many", [f"Cake number {n}" for n in range(1, 40)])
        make_source("few", [Page("cake", "Cake"), Page("rare", "Marzipan"), *(f"Page {n}" for n in range(100, 140))])

    await in_database(make)

    # In `few` alone both words stand in one page each; with `many`, cake is what every page has.
    together = await retrieval.search("cake marzipan", sources=["many", "few"], limit=3, mode="words")

    assert together.passages[0].remote_id == "rare"


async def test_each_source_is_asked_with_the_vectors_of_its_own_model(fake_openai):
    def make() -> None:
        make_source("local", [Page("car", "Visitors park their cars here."), Page("dog", "Dogs are welcome.")])
        provider = factories.openai_provider(fake_openai.base_url)
        fields = {"provider": provider, "model_name": "text-embedding-fake", "purpose": "embedding", "dimensions": 64}
        model = AIModel.objects.create(slug="cloud", name="Cloud", fusion_weight=0.6, **fields)
        make_source("cloud", [Page("park", "Where cars park"), Page("cat", "Cats stay home")], model=model)
        make_source("cloud-too", [Page("train", "Trains run hourly")], model=model)

    await in_database(make)

    result = await retrieval.search("Where do cars park?", sources=["local", "cloud", "cloud-too"], limit=5)

    assert {p.remote_id for p in result.passages[:2]} == {"car", "park"}
    assert len(result.passages) == 5
    assert all(0 <= p.semantic_score <= 1 for p in result.passages)
    # Two sources share the model, so it was asked once.
    assert len(fake_openai.requests) == 1


async def test_cosines_are_scored_within_the_range_of_their_model():
    def make(floor: float, ceiling: float) -> None:
        model = factories.local_embedding()
        AIModel.objects.filter(pk=model.pk).update(score_floor=floor, score_ceiling=ceiling)
        forget_configuration()

    await in_database(make, 0.0, 1.0)
    await in_database(make_source, "wiki", [Page("car", "Visitors park their cars here.")])

    async def score() -> float:
        result = await retrieval.search("Where do visitors park?", sources=["wiki"], limit=1, mode="meaning")
        return result.passages[0].score

    cosine = await score()
    await in_database(make, cosine - 0.1, cosine + 0.1)
    assert await score() == pytest.approx(0.5, abs=0.02)
    await in_database(make, cosine + 0.1, 1.0)
    assert await score() == 0
    await in_database(make, 0.0, cosine - 0.1)
    assert await score() == 1


async def test_a_filter_counts_documents_of_all_searched_sources():
    def make() -> None:
        for slug in ("one", "two", "three"):
            make_source(slug, [Page(f"{slug}-{n}", f"Page {n}", metadata={"even": n % 2 == 0}) for n in range(10)])

    await in_database(make)

    result = await retrieval.search("page", sources=["one", "two"], limit=20, filter={"even": True})

    assert (result.documents_in_scope, len(result.passages)) == (10, 10)
    assert {p.source for p in result.passages} == {"one", "two"}
    assert await in_database(Document.objects.count) == 30
