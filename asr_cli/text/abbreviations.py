"""Letters said one by one, and the English "I"."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from asr_cli.transcript import Word

# l a letter, d a short number, & itself, x anything else: "4 g", "g 20", "r & b", "m p 3", "i b m".
SPELLED = re.compile(r"dl(?![l&])|l(?:&l|[ld])+")
FIRST_PERSON = re.compile(r"i(?:['’](?:m|ve|ll|d))?")
WORDS = set("ai")  # letters that are words, too: "am i a fool", "a 4"
# Abbreviations, not an article and something spelled, also where the words around them are English.
BEGIN_WITH_A = """
    aa aaa abc abs ac acc ad adc adhd adsl afc afk agm ai aka als am ama amc amd aol ap api apk app ar arm asap ascii
    asic asmr asr atf atm atp atv av avi aws
"""
WITH_A = frozenset(BEGIN_WITH_A.split())
# Abbreviations, and not a letter with "I" or "a" behind it.
END_WITH_WORD = frozenset(("ai", "bi", "ci", "pi", "ui", "ba", "da", "ga", "la", "ma", "pa", "qa", "va", "wa"))
# But for what has a letter for a name: "plan b a lot", "vitamin c i think".
HAVE_LETTERS = """
    appendix block class drive exhibit gate grade group hepatitis letter line option part plan platform point schedule
    section side step terminal type vitamin zone
"""
LETTERED = frozenset(HAVE_LETTERS.split())
# Abbreviations that are whole, so that the "i" behind them is a word.
BEFORE_I = frozenset(("ai", "am", "cd", "dc", "dvd", "la", "ny", "nyc", "pm", "tv", "uk", "us", "usa"))


def abbreviated(words: Sequence[Word]) -> Iterator[Word]:
    """Runs of single letters become one word in capitals: "i b m" is "IBM"."""
    kinds = "".join(map(kind, words))
    done = 0
    for found in SPELLED.finditer(kinds):
        start, end = found.span()
        start += begins_with_article(words, start, end)
        end -= ends_with_word(words, start, end)
        letters = spelled(words[start:end])
        if are_words(letters) or end - start == 1:
            continue
        yield from map(capitalized, words[done:start])
        yield merged(words[start:end])
        done = end
    yield from map(capitalized, words[done:])


def spelled(run: Sequence[Word]) -> str:
    return "".join(word.text for word in run if kind(word) == "l").lower()


def begins_with_article(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether the "a" before what is spelled in an English sentence is a word: "a d v d", but "a t m"."""
    if words[start].text.lower() != "a" or spelled(words[start:end]) in WITH_A:
        return False
    return any(word.text.isascii() and word.text.isalpha() for word in (*words[:start][-1:], *words[end:][:1]))


def ends_with_word(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether what comes last goes with the words behind it: "plan b i think", "5 p m i left", "vitamin c 3 times"."""
    run = words[start:end]
    kinds, letters = "".join(map(kind, run)), spelled(run)
    if kinds == "ld":
        return len(run[-1].text) == 1 and is_english(words, end)
    if kinds[-1] != "l" or letters[-1] not in WORDS:
        return False
    if letters[-1] == "i" and letters[:-1] in BEFORE_I:
        return True
    if len(run) != 2 or letters == "ai" or not is_english(words, start - 1) or not is_english(words, end):
        return False
    return letters not in END_WITH_WORD or words[start - 1].text.lower() in LETTERED


def is_english(words: Sequence[Word], index: int) -> bool:
    return 0 <= index < len(words) and words[index].text.isascii() and words[index].text[0].isalpha()


def are_words(letters: str) -> bool:
    """Whether the letters of a run rather are words of one letter; of such runs only AI is an abbreviation."""
    return set(letters) <= WORDS and letters != "ai"


def kind(word: Word) -> str:
    text = word.text
    if not text.isascii():
        return "x"
    if len(text) == 1 and text.isalpha():
        return "l"
    return "d" if text.isdigit() and len(text) <= 3 else "&" if text == "&" else "x"


def merged(words: Sequence[Word]) -> Word:
    text = "".join(word.text for word in words).upper()
    return Word(text, words[0].start, words[-1].end, least_sure(*(word.confidence for word in words)))


def least_sure(*confidences: float | None) -> float | None:
    """A word is no surer than its least sure piece; a mean would hide one wrong syllable among sure ones."""
    known = [sure for sure in confidences if sure is not None]
    return min(known) if len(known) == len(confidences) else None


def capitalized(word: Word) -> Word:
    """The word, or "I" for "i"; the pieces of speech recognisers are in lower case."""
    if not FIRST_PERSON.fullmatch(word.text.rstrip(".,!?;:，。？！、")):
        return word
    return replace(word, text="I" + word.text[1:])
