"""Tokens are counted the same way everywhere, and no text is too strange or too long for it."""

from magnet.tokens import count_tokens, truncate


def test_tokens_are_counted():
    assert count_tokens("") == 0
    assert count_tokens("hello world") == 2


def test_what_looks_like_a_control_token_is_text():
    assert count_tokens("<|endoftext|>") > 1


def test_a_line_of_five_megabytes_without_a_space_is_counted():
    assert count_tokens("a" * 5_000_000) == 625_000


def test_a_long_text_counts_as_the_sum_of_its_words():
    assert count_tokens(" fee" * 100_000) == 100_000


def test_a_text_is_cut_to_a_number_of_tokens():
    text = "The fee for a lost card is five euros. " * 5_000

    for most in (1, 7, 30_000):
        short = truncate(text, most)
        assert text.startswith(short)
        assert most - 1 <= count_tokens(short) <= most


def test_a_short_text_stays_as_it_is():
    assert truncate("five euros", 10) == "five euros"
    assert truncate("five euros", 0) == ""


def test_a_cut_never_breaks_a_character():
    text = "👩‍👩‍👧 返品期限 " * 20

    assert all(text.startswith(truncate(text, most)) for most in range(60))
