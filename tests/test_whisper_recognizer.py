"""Whisper in the `Recognizer` role: words at their times, doubts told, and what cannot work refused in a sentence."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asr_plugins.whisper.folder import read_folder
from asr_plugins.whisper.loading import load
from asr_plugins.whisper.model import check_assistant
from asr_plugins.whisper.recognizer import WhisperRecognizer

from asr_cli import pipeline
from asr_cli.audio import Audio
from asr_cli.decoding import DecodingOptions
from asr_cli.errors import UsageError
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard
from asr_cli.transcript import Segment, Word
from tests.tools.small_whisper import make_whisper

CARD = ModelCard("small", "", ("en", "zh", "de", "ja"), "")
WINDOW = 4.0  # s
TRUSTING: dict[str, Any] = {
    "compression_ratio_threshold": None, "logprob_threshold": None, "no_speech_threshold": None,
    "temperature_increment_on_fallback": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("whisper") / "small", width=32, layers=(2, 2), window=WINDOW)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Callable[..., Recognizer]:
    def load_with(
        where: Path = folder, assistant: Path | None = None, card: ModelCard = CARD, **changes: Any
    ) -> Recognizer:
        names = LoadOptions.__dataclass_fields__.keys() - {"decoding"}
        outer = {name: changes.pop(name) for name in list(changes) if name in names}
        options = LoadOptions(
            compute_type=outer.pop("compute_type", "float32"), threads=1, assistant=assistant, **outer,
            decoding=DecodingOptions(**changes),
        )  # fmt: skip
        return load(card, where, options)

    return load_with


def inner(recognizer: Recognizer) -> WhisperRecognizer:
    found = getattr(recognizer, "recognizer", recognizer)
    assert isinstance(found, WhisperRecognizer)
    return found


def speech(seconds: float, seed: int = 0, start: float = 0.0) -> Audio:
    """Something that rises and falls like speech."""
    dice = np.random.default_rng(seed)
    n = round(seconds * 16_000)
    tone = np.sin(np.cumsum(0.02 + 0.1 * np.abs(np.sin(np.arange(n) / 3000 + seed))))
    swell = 0.3 + 0.7 * np.abs(np.sin(np.arange(n) / 2500))
    return Audio((0.3 * tone * swell + 0.01 * dice.standard_normal(n)).astype(np.float32), start)


def test_words_lie_within_their_utterance_one_after_the_other(loaded: Callable[..., Recognizer]) -> None:
    utterances = [speech(seconds, seed, start=100.0 + 10 * seed) for seed, seconds in enumerate((3.9, 0.7, 2.0, 4.0))]
    segments = loaded(**TRUSTING).recognize(utterances)
    assert sum(len(segment.words) for segment in segments) > 10
    for utterance, segment in zip(utterances, segments, strict=True):
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(utterance.start <= time <= utterance.end for time in times)
        assert all(0 < word.confidence <= 1 for word in segment.words if word.confidence is not None)


@pytest.mark.parametrize("decoding", [TRUSTING, {}, {"beam_size": 3}])
def test_company_changes_nothing(loaded: Callable[..., Recognizer], decoding: dict[str, Any]) -> None:
    recognizer = loaded(**decoding)
    utterances = [speech(1.0 + 0.3 * seed, seed) for seed in range(6)]
    together = recognizer.recognize(utterances)
    for utterance, segment in zip(utterances, together, strict=True):
        [alone] = recognizer.recognize([utterance])
        assert (alone.text, alone.language, alone.suspect) == (segment.text, segment.language, segment.suspect)
        assert [word.start for word in alone.words] == pytest.approx([word.start for word in segment.words])


def test_where_memory_does_not_suffice_none_is_kept_and_all_is_heard(
    loaded: Callable[..., Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = loaded(**TRUSTING)
    whisper = inner(recognizer)
    memories = whisper.model.memories
    utterances = [speech(1.0 + 0.3 * seed, seed) for seed in range(4)]
    known = [segment.text for segment in recognizer.recognize(utterances)]
    memories.kept.append(memories.take(2, 1, 32))
    some = whisper.recognize_some

    def tight(utterances: Sequence[Audio]) -> list[Segment]:
        if len(utterances) > 2 or memories.kept:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return some(utterances)

    monkeypatch.setattr(whisper, "recognize_some", tight)
    assert [segment.text for segment in recognizer.recognize(utterances)] == known


def test_silence_and_next_to_nothing_have_no_words(loaded: Callable[..., Recognizer]) -> None:
    nothing = [Audio(np.zeros(n, np.float32), 5.0) for n in (0, 800, 32_000)]
    assert [segment.words for segment in loaded(**TRUSTING).recognize(nothing)] == [(), (), ()]


def test_a_twentieth_of_a_second_is_heard_and_its_words_stay_in_it(loaded: Callable[..., Recognizer]) -> None:
    [segment] = loaded(**TRUSTING).recognize([speech(0.05, start=3.0)])
    assert all(3.0 <= word.start <= word.end <= 3.05 + 1e-9 for word in segment.words)


@pytest.mark.parametrize(
    ("decoding", "suspect"),
    [
        ({"compression_ratio_threshold": 0.01}, "repetition"),
        ({"logprob_threshold": -1e-9, "no_speech_threshold": None}, "low confidence"),
        ({"logprob_threshold": None, "compression_ratio_threshold": None}, None),
    ],
)
def test_what_stays_doubtful_after_all_attempts_is_kept_and_marked(
    loaded: Callable[..., Recognizer], decoding: dict[str, Any], suspect: str | None
) -> None:
    recognizer = loaded(**decoding)
    heard_at: list[float] = []
    texts = inner(recognizer).decoding.texts

    def counted(windows: Any, temperature: float) -> Any:
        heard_at.append(temperature)
        return texts(windows, temperature)

    inner(recognizer).decoding.texts = counted  # type: ignore[method-assign]
    [segment] = recognizer.recognize([speech(3.0)])
    assert segment.words
    assert segment.suspect == suspect
    assert heard_at == (list(DecodingOptions().temperatures) if suspect else [0.0])


def test_a_text_that_seems_right_at_the_second_attempt_is_not_suspect(loaded: Callable[..., Recognizer]) -> None:
    recognizer = loaded(temperature_increment_on_fallback=1.0)
    decoding = inner(recognizer).decoding
    texts = decoding.texts

    def circling(windows: Any, temperature: float) -> Any:
        found = texts(windows, temperature)
        return [replace(one, text=one.text._replace(loops=temperature == 0)) for one in found]

    decoding.texts = circling  # type: ignore[method-assign]
    inner(recognizer).options = replace(
        inner(recognizer).options, logprob_threshold=None, compression_ratio_threshold=None, no_speech_threshold=None
    )
    [again] = recognizer.recognize([speech(3.0)])
    decoding.texts = texts  # type: ignore[method-assign]
    [first] = recognizer.recognize([speech(3.0)])
    assert again.suspect is None and first.suspect is None
    assert again.text != first.text


def test_unsure_text_where_probably_nobody_speaks_is_dropped(loaded: Callable[..., Recognizer]) -> None:
    [segment] = loaded(logprob_threshold=-1e-9, no_speech_threshold=0.0).recognize([speech(3.0)])
    assert segment.words == () and segment.suspect is None


def test_words_over_silence_are_tried_again_and_marked(loaded: Callable[..., Recognizer]) -> None:
    sound = np.concatenate([speech(0.4).samples, np.zeros(48_000, np.float32)])
    recognizer = loaded(logprob_threshold=None, compression_ratio_threshold=None)
    decoding = inner(recognizer).decoding
    texts, heard_at = decoding.texts, list[float]()
    decoding.texts = lambda windows, heat: heard_at.append(heat) or texts(windows, 0.0)  # type: ignore
    [segment] = recognizer.recognize([Audio(sound)])
    assert heard_at == list(DecodingOptions().temperatures)
    assert segment.suspect == "text over silence"
    assert all(word.end <= 0.42 or word.start >= 3.38 for word in segment.words)  # none of them within it


def test_the_language_is_told_where_nobody_named_it(loaded: Callable[..., Recognizer]) -> None:
    found = loaded(**TRUSTING).recognize([speech(2.0, seed) for seed in range(4)])
    assert all(segment.language in ("en", "zh", "de", "ja") for segment in found)
    named = loaded(language="de", **TRUSTING).recognize([speech(2.0)])
    assert [segment.language for segment in named] == [None]


def test_hotwords_without_room_are_told_of_and_leave_the_others(
    loaded: Callable[..., Recognizer], caplog: pytest.LogCaptureFixture
) -> None:
    words = tuple(f"Brücke{n}" for n in range(200))
    recognizer = inner(loaded(language="de", initial_prompt="A talk about foxes. " * 40, hotwords=words, **TRUSTING))
    [told] = [record.getMessage() for record in caplog.records if "hotwords" in record.getMessage()]
    text = recognizer.tokens.decode(recognizer.fixed)
    n_kept = text.count("Brücke")
    assert text.startswith(" Brücke0, Brücke1,") and 10 < n_kept < 200
    assert f"{200 - n_kept} hotwords have no room, from 'Brücke{n_kept}' on" in told
    assert len(recognizer.fixed) <= recognizer.model.decoder.max_tokens // 2 - 1
    few = inner(loaded(language="de", initial_prompt="A talk about foxes. " * 40, hotwords=words[:2], **TRUSTING))
    assert few.tokens.decode(few.fixed).startswith(" Brücke0, Brücke1") and len(few.fixed) == 223


def test_a_model_for_one_language_is_not_asked_which(loaded: Callable[..., Recognizer]) -> None:
    [segment] = loaded(card=replace(CARD, languages=("en",)), **TRUSTING).recognize([speech(2.0)])
    assert segment.language is None


@pytest.mark.parametrize(("layers", "n_mels", "seconds"), [((2, 2), 80, 30.0), ((4, 2), 80, 15.0), ((4, 2), 128, 25.0)])
def test_chunks_are_as_long_as_suits_the_model(
    loaded: Callable[..., Recognizer], tmp_path: Path, layers: tuple[int, int], n_mels: int, seconds: float
) -> None:
    where = make_whisper(tmp_path / "m", width=16, layers=layers, n_mels=n_mels)
    assert loaded(where).max_duration == seconds
    assert loaded(where, long_form="sequential").max_duration == 30.0
    assert loaded(where, chunk_length=10.0).max_duration == 10.0


def test_the_task_the_prompt_and_the_hotwords_are_read_before_writing(loaded: Callable[..., Recognizer]) -> None:
    recognizer = inner(
        loaded(language="de", task="translate", initial_prompt="A talk about foxes.", hotwords=("Brücke",), **TRUSTING)
    )
    tokens = recognizer.tokens
    prompt = recognizer.prompt(Audio(np.zeros(16_000, np.float32)))
    assert prompt.begin[0] == tokens.start_of_prev and prompt.begin[-1] == tokens.sot
    assert tokens.decode(prompt.begin) == " Brücke A talk about foxes."
    assert prompt.rest == {None: (tokens.languages["de"], tokens.translate, tokens.no_timestamps)}


def test_what_was_said_is_read_where_that_was_asked_for(loaded: Callable[..., Recognizer]) -> None:
    window = replace(speech(2.0), said=" the fox runs" * 200)
    knowing = inner(loaded(long_form="sequential", condition_on_previous_text=True, initial_prompt="A talk."))
    begin = knowing.prompt(window).begin
    text = knowing.tokens.decode(begin)
    assert text.startswith(" A talk.") and text.endswith(" the fox runs")
    assert len(begin) <= 448 // 2 + 1
    plain = inner(loaded(long_form="sequential"))
    assert plain.prompt(window).begin == (plain.tokens.sot,)


def test_speculative_decoding_changes_neither_words_nor_times(
    loaded: Callable[..., Recognizer], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    utterances = [speech(1.0 + 0.4 * seed, seed) for seed in range(5)]
    plain = loaded(language="en").recognize(utterances)
    recognizer = loaded(assistant=folder, language="en")
    drafted = recognizer.recognize(utterances)
    assert [one.text for one in drafted] == [one.text for one in plain]
    assert [word.start for one in drafted for word in one.words] == pytest.approx(
        [word.start for one in plain for word in one.words]
    )
    with caplog.at_level(logging.INFO):
        recognizer.close()  # type: ignore[attr-defined]
    assert "drafted tokens were right" in caplog.text


def test_an_assistant_that_hears_the_same_shares_the_encoder(
    loaded: Callable[..., Recognizer], folder: Path, tmp_path: Path
) -> None:
    coarser = make_whisper(tmp_path / "coarser", width=32, layers=(2, 2), window=WINDOW, dtype=torch.float16)
    for one, other in ((folder, folder), (folder, coarser), (coarser, folder)):
        sharing = inner(loaded(one, assistant=other)).decoding
        assert sharing.assistant is not None and sharing.assistant.encoder is sharing.model.encoder
    for layers in ((1, 1), (2, 2)):
        other = make_whisper(tmp_path / f"other{layers}", width=32, layers=layers, window=WINDOW, seed=5)
        apart = inner(loaded(assistant=other)).decoding
        assert apart.assistant is not None and apart.assistant.encoder is not apart.model.encoder


def test_a_whole_recording_is_heard_in_windows_that_slide(loaded: Callable[..., Recognizer]) -> None:
    whole = speech(23.0)
    blocks = [Audio(whole.samples[at : at + 8000], at / 16_000) for at in range(0, len(whole.samples), 8000)]
    recognizer = loaded(long_form="sequential", language="en", **TRUSTING)
    segments = list(pipeline.transcribe(blocks, vad=iter, recognizer=recognizer, batch_seconds=60))
    times = [time for segment in segments for word in segment.words for time in (word.start, word.end)]
    assert times and times == sorted(times) and times[-1] <= 23.0
    assert times[-1] > 18.0  # to the end


@pytest.mark.parametrize("first", ["", " ", " ...", " -", "..."])  # segments without a word, or with half of one
def test_what_a_window_cuts_off_begins_where_the_next_one_does(loaded: Callable[..., Recognizer], first: str) -> None:
    recognizer = inner(loaded(long_form="sequential"))
    tokens = recognizer.tokens
    stamp = tokens.timestamp_begin
    assert stamp is not None
    whole, cut_off = tokens.encode(" the fox runs"), tokens.encode(" and it was")
    ids = [stamp, *whole, stamp + 100, stamp + 100, *cut_off]
    ids = [stamp, *tokens.encode(first), stamp + 10, *ids] if first else ids
    spoken = tokens.words([id for id in ids if not tokens.is_special(id)])
    words = [text for text, _ in spoken if text.strip()]
    at = iter(np.linspace(20.4, 22.4, len(words) + 1))
    begins = [float(next(at)) for _ in words]
    segment = Segment(tuple(Word(text, begin, begin + 0.2) for text, begin in zip(words, begins, strict=True)))
    found = recognizer.divided(segment, ids, 20.0)
    assert found.heard == pytest.approx(22.0)
    assert found.text == segment.text
    kept = "".join(word.text for word in found.words if word.start < 22.0)
    assert kept.split() == f"{first} the fox runs".split()
    assert all(word.end <= 22.0 for word in found.words if word.start < 22.0)


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
def test_it_computes_in_fewer_bits(loaded: Callable[..., Recognizer], compute_type: str) -> None:
    [segment] = loaded(compute_type=compute_type, **TRUSTING).recognize([speech(3.0)])
    assert segment.words


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"chunk_length": 4.5}, "chunks of 4.5 s are longer than the 4 s that small hears at once"),
        ({"chunk_length": 0.2}, "give 1 s or more"),
        ({"chunk_length": 3.0, "long_form": "sequential"}, "--chunk-length does nothing"),
        ({"language": "fr"}, "the model does not know the language 'fr'"),
        ({"attention": "flash_attention_2"}, "FlashAttention 2 computes on a CUDA device"),
        ({"suppress_tokens": (7, 1_000_000)}, "there is no token 1000000 to suppress: small has 0 to"),
    ],
)
def test_what_cannot_work_is_refused(
    loaded: Callable[..., Recognizer], changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        loaded(**changes)


def test_an_english_model_refuses_another_language_and_translation(
    loaded: Callable[..., Recognizer], tmp_path: Path
) -> None:
    english = make_whisper(tmp_path / "en", window=WINDOW, multilingual=False)
    with pytest.raises(UsageError, match="knows English only"):
        loaded(english, language="de")
    with pytest.raises(UsageError, match="translates nothing"):
        loaded(english, task="translate")
    assert loaded(english, language="en").recognize([speech(1.0)])


@pytest.mark.parametrize("changes", [{"beam_size": 2}, {"temperature": 0.4}])
def test_an_assistant_drafts_for_greedy_decoding_only(
    loaded: Callable[..., Recognizer], folder: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="drafts for greedy decoding"):
        loaded(assistant=folder, **changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"languages": ("en", "fr")}, "writes other tokens"),
        ({"n_text": 64}, "reads texts of 64 tokens at most"),
    ],
)
def test_an_assistant_that_cannot_draft_is_refused(
    loaded: Callable[..., Recognizer], tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    other = make_whisper(tmp_path / "other", window=WINDOW, **changes)
    with pytest.raises(UsageError, match=complaint):
        loaded(assistant=other)


def test_an_assistant_that_hears_less_at_once_is_refused(folder: Path) -> None:
    found = read_folder(folder)
    with pytest.raises(UsageError, match="hears 2 s at once, and the model 4 s"):
        check_assistant(found, replace(found, window=2.0))
