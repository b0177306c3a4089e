"""Our stitching beside transformers' merging of a long recording's chunks: the same where that is right, and right
where that is not.

The cases are those its own tests and users speak of: an overlap heard alike, misheard at the edges, none at all;
phrases that come again in the overlap (huggingface/transformers#31778), words all at a chunk's last moment (#25605).
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import _find_longest_common_sequence

from asr_cli.longform.stitch import stitch
from asr_cli.transcript import Segment, Word

STEP = 0.4  # s from word to word
CHUNK = tuple[float, float]  # from, to
FOREVER = 1e6
PLAIN = (
    "a quick brown fox jumps over one extraordinarily lazy dog while nobody else is overwhelmed by anything much and"
    " this goes on until the last of them has had enough to eat or falls asleep under some old tree near our house"
)
REFRAIN = (
    "sing it again sing it again and never let the music be over tomorrow you will sing so sing it again louder"
    " sing it again yes we will sing it again yes we will sing it again until the morning comes over the hills"
)


def spoken(text: str) -> list[Word]:
    return [
        Word(f" {word}", round(index * STEP, 2), round((index + 0.9) * STEP, 2))
        for index, word in enumerate(text.split())
    ]


def heard(words: Sequence[Word], chunk: CHUNK, off: float = 0.0) -> list[Word]:
    """What is said in a chunk, all times off by as much; none outside the chunk."""
    start, end = chunk
    return [
        replace(word, start=min(max(word.start + off, start), end), end=min(max(word.end + off, start), end))
        for word in words
        if start <= (word.start + word.end) / 2 < end
    ]


def ours(readings: Sequence[Sequence[Word]], chunks: Sequence[CHUNK]) -> list[Word]:
    segments = [Segment(tuple(readings[0]))]
    for words, before, chunk in zip(readings[1:], chunks, chunks[1:], strict=False):
        overlap = (chunk[0], before[1]) if before[1] > chunk[0] else None
        segments.append(Segment(tuple(words), overlap=overlap))
    return [word for segment in stitch(segments) for word in segment.words]


def theirs(readings: Sequence[Sequence[Word]], *, timed: bool = True) -> list[Word]:
    """Each word a token."""
    names = sorted({word.text for words in readings for word in words})
    tokens = [[names.index(word.text) for word in words] for words in readings]
    if not timed:
        return [Word(names[token], 0.0, 0.0) for token in _find_longest_common_sequence(tokens)]
    times = [[(word.start, word.end) for word in words] for words in readings]
    merged, moments = _find_longest_common_sequence(tokens, times)
    return [Word(names[token], *moment) for token, moment in zip(merged, moments, strict=True)]


def text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()


def in_order(words: Sequence[Word]) -> bool:
    return all(w.start <= w.end for w in words) and all(a.end <= b.start + 1e-9 for a, b in pairwise(words))


# Readings, each with the number of the word it begins with; where they differ, somebody misheard.
DOCUMENTED = {
    "alike": (
        [(0, "one two three four five six"), (3, "four five six seven eight")],
        "one two three four five six seven eight",
    ),
    "nothing but the overlap": ([(0, "one two three"), (0, "one two three four five")], "one two three four five"),
    "no overlap": ([(0, "one two three"), (3, "four five six")], "one two three four five six"),
    "misheard at the first one's end": (
        [(0, "one two three four five sick"), (2, "three four five six seven eight")],
        "one two three four five six seven eight",
    ),
    "misheard at the second one's beginning": (
        [(0, "one two three four five six"), (2, "tree four five six seven eight")],
        "one two three four five six seven eight",
    ),
    "misheard at both edges": (
        [(0, "one two three four five six severed"), (2, "tree four five six seven eight nine")],
        "one two three four five six seven eight nine",
    ),
    "three of them": (
        [(0, "one two three four five"), (2, "three four five six seven eight"), (5, "six seven eight nine")],
        "one two three four five six seven eight nine",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTED)
def test_where_they_are_right_the_text_is_the_same(case: str) -> None:
    parts, expected = DOCUMENTED[case]
    readings = [
        [replace(w, start=round(w.start + first * STEP, 2), end=round(w.end + first * STEP, 2)) for w in spoken(said)]
        for first, said in parts
    ]
    chunks = [(first * STEP, (first + len(said.split())) * STEP) for first, said in parts]
    assert text(theirs(readings, timed=False)) == text(theirs(readings)) == expected
    assert text(ours(readings, chunks)) == expected


@pytest.mark.parametrize("off", [0.02, 0.1, 0.2])
def test_a_second_reading_a_little_earlier_doubles_theirs_and_not_ours(off: float) -> None:
    """Their remedy against times that go back: no two words are the same if the second reading has it earlier."""
    truth = spoken(PLAIN)
    chunks = [(0.0, 10.0), (6.0, FOREVER)]
    readings = [heard(truth, chunks[0]), heard(truth, chunks[1], -off)]
    assert len(theirs(readings)) == len(truth) + 10 and not in_order(theirs(readings))
    assert text(ours(readings, chunks)) == PLAIN
    assert in_order(ours(readings, chunks))


def test_a_phrase_that_comes_again_in_the_overlap_is_lost_or_doubled_by_theirs_and_not_by_ours() -> None:
    truth = spoken(REFRAIN)
    n_wrong = 0
    for first in range(12, 36):
        for n_shared in range(4, 12):
            chunks = [(0.0, (first + n_shared) * STEP), (first * STEP, FOREVER)]
            # The edges are misheard, as edges are.
            before, after = (heard(truth, chunk, off) for chunk, off in zip(chunks, (0.0, 0.02), strict=True))
            before[-1], after[0] = replace(before[-1], text=" hm"), replace(after[0], text=" uh")
            n_wrong += text(theirs([before, after])) != REFRAIN
            joined = ours([before, after], chunks)
            assert text(joined) == REFRAIN and in_order(joined)
    assert n_wrong > 10


@pytest.mark.parametrize("which", [0, 1])
def test_words_all_at_the_last_moment_of_their_chunk_are_doubled_by_none(which: int) -> None:
    truth = spoken(REFRAIN)
    chunks = [(0.0, 10.0), (6.0, 20.0)]
    readings = [heard(truth, chunk) for chunk in chunks]
    last = chunks[which][1] - 0.02
    readings[which] = [replace(word, start=last, end=last) for word in readings[which]]
    joined = ours(readings, chunks)
    assert text(joined) == REFRAIN and in_order(joined)
    # Theirs has an order of times to keep: it doubles if it is the first chunk, and lets them stand otherwise.
    assert (text(theirs(readings)) == REFRAIN) == (which == 1)


@given(
    words=st.lists(st.sampled_from([" so", " it", " go", " then", " we", "好", " the"]), min_size=8, max_size=80),
    cuts=st.lists(st.floats(6.0, 12.0), min_size=12, max_size=12),  # so that no three chunks hear the same
    overlaps=st.lists(st.floats(2.0, 3.0), min_size=12, max_size=12),
    rate=st.floats(0.25, 0.4),  # s a word: of slower speech two seconds may hold but the words at their edges
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_wherever_a_text_is_cut_each_word_stands_once(
    words: list[str], cuts: list[float], overlaps: list[float], rate: float, seed: int
) -> None:
    """Times wander by up to 0.2 s, and whatever sounds within 0.2 s of a chunk's edge may be misheard."""
    rng = random.Random(seed)
    # Numbered, so that each can be told from the others.
    truth = [Word(f"{word}{index}", index * rate, (index + 0.9) * rate) for index, word in enumerate(words)]
    chunks = [(0.0, cuts[0])]
    for length, overlap in zip(cuts[1:], overlaps, strict=False):
        chunks.append((chunks[-1][1] - overlap, chunks[-1][1] - overlap + length))
    chunks.append((chunks[-1][1] - 2.0, FOREVER))
    joined = ours([misheard(truth, chunk, rng) for chunk in chunks], chunks)
    assert [word.text for word in joined] == [word.text for word in truth]
    assert in_order(joined)


def misheard(truth: Sequence[Word], chunk: CHUNK, rng: random.Random) -> list[Word]:
    found: list[Word] = []
    earliest = chunk[0]
    for word in heard(truth, chunk):
        near = (chunk[0] > 0 and word.start - chunk[0] < 0.2) or chunk[1] - word.end < 0.2
        start = min(max(word.start + rng.uniform(-0.2, 0.2), earliest), chunk[1])
        end = min(max(word.end + rng.uniform(-0.2, 0.2), start), chunk[1])
        found.append(Word(" huh" if near and rng.random() < 0.5 else word.text, start, end))
        earliest = end
    return found


class Chunked:
    """Chunks as a Whisper would have them, in tokens of the released tokenizer."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = WhisperTokenizer.from_pretrained(folder, clean_up_tokenization_spaces=False)
        begin = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
        self.prompt = self.tokenizer.convert_tokens_to_ids(begin)

    def words(self, words: Sequence[Word], chunk: CHUNK, stride: tuple[float, float]) -> dict[str, object]:
        """A word's tokens divide its time among them."""
        tokens, times = list(self.prompt), [0.0] * len(self.prompt)
        for word in words:
            ids = self.tokenizer.encode(word.text, add_special_tokens=False)
            tokens += ids
            times += [word.start - chunk[0] + (word.end - word.start) * (n + 1) / len(ids) for n in range(len(ids))]
        return {
            "tokens": torch.tensor([tokens]),
            "token_timestamps": torch.tensor([times], dtype=torch.float64),
            "stride": (chunk[1] - chunk[0], *stride),
        }

    def sentences(self, words: Sequence[Word], chunk: CHUNK, stride: tuple[float, float]) -> dict[str, object]:
        """Timestamp tokens before and behind every five words."""
        zero = self.prompt[-1] + 1
        tokens = self.prompt[:-1]
        for at in range(0, len(words), 5):
            few = words[at : at + 5]
            first, last = (zero + round((t - chunk[0]) / 0.02) for t in (few[0].start, few[-1].end))
            tokens += [first, *self.tokenizer.encode(text_of(few), add_special_tokens=False), last]
        return {"tokens": torch.tensor([tokens]), "stride": (chunk[1] - chunk[0], *stride)}

    def merged(self, outputs: Sequence[dict[str, object]], timestamps: str | bool) -> tuple[str, dict[str, list[dict]]]:  # type: ignore[type-arg]
        return self.tokenizer._decode_asr(  # type: ignore[no-any-return]
            outputs, return_timestamps=timestamps, return_language=False, time_precision=0.02
        )


def text_of(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["words", "sentences"])
@pytest.mark.parametrize("n_shared", [5, 8, 10])
def test_chunks_of_the_released_tokenizer_become_the_same_text(shared: Path, kind: str, n_shared: int) -> None:
    whisper = Chunked(shared / "data/configs/whisper-hf/whisper-tiny")
    truth = spoken(
        "a quick brown fox jumps over one extraordinarily lazy dog while nobody is overwhelmed by anything much"
    )
    chunks = [(0.0, (5 + n_shared) * STEP), (5 * STEP, len(truth) * STEP)]
    side = (chunks[0][1] - chunks[1][0]) / 2
    readings = [heard(truth, chunk) for chunk in chunks]
    tell = getattr(whisper, kind)
    outputs = [tell(readings[0], chunks[0], (0.0, side)), tell(readings[1], chunks[1], (side, 0.0))]
    merged, optional = whisper.merged(outputs, "word" if kind == "words" else True)
    assert merged.strip() == text(ours(readings, chunks)) == text(truth)
    if kind == "words":
        told = [(c["text"], *c["timestamp"]) for c in optional["chunks"]]
        joined = [(w.text, pytest.approx(w.start, abs=0.05), pytest.approx(w.end, abs=0.05)) for w in truth]
        # Their word begins where the one before it ends.
        assert [(word, end) for word, _, end in told] == [(word, end) for word, _, end in joined]


@pytest.mark.shared
def test_words_of_the_released_tokenizer_are_doubled_by_theirs_and_not_by_ours(shared: Path) -> None:
    whisper = Chunked(shared / "data/configs/whisper-hf/whisper-tiny")
    truth = spoken(PLAIN)
    chunks = [(0.0, 10.0), (6.0, 18.0)]
    readings = [heard(truth, chunks[0], 0.1), heard(truth, chunks[1], -0.1)]
    outputs = [whisper.words(readings[0], chunks[0], (0.0, 2.0)), whisper.words(readings[1], chunks[1], (2.0, 0.0))]
    told = [Word(c["text"], *c["timestamp"]) for c in whisper.merged(outputs, "word")[1]["chunks"]]
    assert len(told) > len(truth) and not in_order(told)
    joined = ours(readings, chunks)
    assert text(joined) == PLAIN and in_order(joined)
