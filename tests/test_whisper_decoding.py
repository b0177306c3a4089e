"""What Whisper's encoder and decoder say: transformers' numbers and tokens, in whatever company."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from asr_plugins.whisper.beam import BeamSearch
from asr_plugins.whisper.decoder import Memory
from asr_plugins.whisper.folder import Folder, read_folder
from asr_plugins.whisper.model import Model, build
from asr_plugins.whisper.pool import Decoded, Marks, Pool, Prompt, Request
from asr_plugins.whisper.rules import Rules, Stamps
from asr_plugins.whisper.search import Search, Single
from asr_plugins.whisper.sequential import complete_part
from asr_plugins.whisper.speculative import SpeculativePool
from hypothesis import given
from hypothesis import strategies as st
from transformers import LogitsProcessorList, WhisperForConditionalGeneration
from transformers.generation import GenerationMixin
from transformers.generation.logits_process import (
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
)

from tests.tools.small_whisper import make_whisper

CPU = torch.device("cpu")
N_WINDOWS, N_TOKENS = 9, 48
WINDOW = 2.0  # s


class Both:
    """A checkpoint as transformers has it and as we do, and windows to hear."""

    def __init__(self, path: Path, compute_type: str = "float32", attention: str = "auto") -> None:
        self.folder: Folder = read_folder(path)
        self.theirs = WhisperForConditionalGeneration.from_pretrained(path).eval()
        self.ours: Model = build(read_folder(path), CPU, compute_type, attention)
        generator = torch.Generator().manual_seed(7)
        mel = torch.randn(N_WINDOWS, self.folder.n_mels, round(WINDOW * 100), generator=generator)
        self.mel = torch.nn.functional.avg_pool1d(mel, 15, 1, 7) * 1.5
        with torch.inference_mode():
            self.states = list(self.ours.encoder(self.mel))

    def prompt(self, *, timestamps: bool, language: str | None = "en") -> tuple[int, ...]:
        return tuple(self.folder.tokens.prompt(language, timestamps=timestamps, limit=448))

    def rules(self, *, timestamps: bool) -> Rules:
        tokens = self.folder.tokens
        stamps = Stamps(tokens.timestamp_begin, tokens.eot, tokens.no_timestamps, 50) if timestamps else None
        return Rules(tokens.n_tokens, tokens.suppress, tokens.begin_suppress, stamps, CPU)

    def generated(self, *, timestamps: bool, n_beams: int = 1) -> list[list[int]]:
        """transformers' own search, without what its Whisper makes of the tokens afterwards."""
        prompt = self.prompt(timestamps=timestamps)
        tokens = self.folder.tokens
        processors = LogitsProcessorList(
            [
                SuppressTokensAtBeginLogitsProcessor(list(tokens.begin_suppress), len(prompt)),
                SuppressTokensLogitsProcessor(list(tokens.suppress)),
            ]
        )
        if timestamps:
            processors.append(WhisperTimeStampLogitsProcessor(self.theirs.generation_config, len(prompt)))
        self.theirs.generation_config.suppress_tokens = None
        self.theirs.generation_config.begin_suppress_tokens = None
        ids = GenerationMixin.generate(
            self.theirs,
            self.mel,
            decoder_input_ids=torch.tensor([prompt] * N_WINDOWS),
            logits_processor=processors,
            num_beams=n_beams,
            do_sample=False,
            max_length=len(prompt) + N_TOKENS,
        )
        return [upto(row[len(prompt) :], tokens.eot) for row in ids.tolist()]

    def pool(self, search: Search, *, timestamps: bool, n_slots: int, order: Sequence[int] | None = None) -> Pool:
        prompt = Prompt((), {None: self.prompt(timestamps=timestamps)})
        prompt = Prompt(prompt.rest[None][:1], {None: prompt.rest[None][1:]})
        requests = [Request(self.states[at], prompt, seed=at) for at in order or range(N_WINDOWS)]
        marks = Marks(self.folder.tokens.no_speech)
        return Pool(self.ours.memories, search, marks, requests, n_slots=n_slots)

    def single(self, *, timestamps: bool, temperature: float = 0.0) -> Single:
        return Single(self.rules(timestamps=timestamps), self.folder.tokens.eot, N_TOKENS, temperature=temperature)


def upto(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


def ids_of(found: Sequence[Decoded]) -> list[list[int]]:
    return [list(one.text.ids) for one in found]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(make_whisper(tmp_path_factory.mktemp("w") / "small", width=48, layers=(2, 3), window=WINDOW))


@pytest.fixture(autouse=True)
def inference() -> object:
    with torch.inference_mode():
        yield


def test_the_encoder_gives_the_numbers_of_transformers(both: Both) -> None:
    theirs = both.theirs.model.encoder(both.mel).last_hidden_state
    torch.testing.assert_close(torch.stack(both.states), theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "auto"])
def test_every_attention_gives_the_same_numbers(both: Both, attention: str, tmp_path: Path) -> None:
    other = build(
        read_folder(make_whisper(tmp_path / "m", width=48, layers=(2, 3), window=WINDOW)), CPU, "float32", attention
    )
    torch.testing.assert_close(other.encoder(both.mel), torch.stack(both.states), atol=2e-5, rtol=0)


def test_the_decoder_gives_the_logits_of_transformers_whatever_was_read_at_once(both: Both) -> None:
    ids = torch.tensor([[*both.prompt(timestamps=False), 5, 9, 300, 17, 5, 5, 260, 31]] * N_WINDOWS)
    theirs = both.theirs(both.mel, decoder_input_ids=ids).logits
    for steps in ([len(ids[0])], [1] * len(ids[0]), [4, 1, 5, 2]):
        memory = Memory(both.ours.decoder, N_WINDOWS, 1, 40)
        memory.admit(slice(0, N_WINDOWS), torch.stack(both.states))
        found, place = [], 0
        for n in steps:
            begins = torch.full((N_WINDOWS,), place)
            read = ids[:, place : place + n]
            place += n
            found.append(both.ours.decoder(memory, slice(0, N_WINDOWS), read, begins, memory.seen(place)).logits)
        torch.testing.assert_close(torch.cat(found, 1), theirs[:, :place], atol=5e-5, rtol=0)


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("n_slots", [1, 4, N_WINDOWS])
def test_greedy_tokens_are_those_of_transformers(both: Both, timestamps: bool, n_slots: int) -> None:
    theirs = both.generated(timestamps=timestamps)
    pool = both.pool(both.single(timestamps=timestamps), timestamps=timestamps, n_slots=n_slots)
    assert ids_of(pool.run()) == theirs
    assert len({len(ids) for ids in theirs}) > 1  # some ended earlier, and made room


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("n_beams", [2, 5])
@pytest.mark.parametrize("n_slots", [2, N_WINDOWS])
def test_beam_tokens_are_those_of_transformers(both: Both, timestamps: bool, n_beams: int, n_slots: int) -> None:
    theirs = both.generated(timestamps=timestamps, n_beams=n_beams)
    search = BeamSearch(both.rules(timestamps=timestamps), both.folder.tokens.eot, N_TOKENS, n_beams)
    assert ids_of(both.pool(search, timestamps=timestamps, n_slots=n_slots).run()) == theirs


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_company_and_order_change_nothing(both: Both, temperature: float) -> None:
    search = partial(both.single, timestamps=False, temperature=temperature)
    alone = both.pool(search(), timestamps=False, n_slots=1).run()
    order = [5, 1, 8, 0, 3, 2, 7, 4, 6]
    together = both.pool(search(), timestamps=False, n_slots=4, order=order).run()
    assert ids_of(together) == [ids_of(alone)[at] for at in order]


def test_sampling_is_not_greedy_and_always_the_same(both: Both) -> None:
    hot = partial(both.single, timestamps=False, temperature=1.0)
    first = ids_of(both.pool(hot(), timestamps=False, n_slots=9).run())
    assert first == ids_of(both.pool(hot(), timestamps=False, n_slots=9).run())
    assert first != ids_of(both.pool(both.single(timestamps=False), timestamps=False, n_slots=9).run())


def test_tokens_are_drawn_by_their_probability_and_never_what_is_suppressed(both: Both) -> None:
    scores = torch.tensor([0.5, 0.2, 0.0, 0.25, 0.05, 0.0]).log() * 0.5
    search = both.single(timestamps=False, temperature=0.5)
    drawn = search.drawn(scores.expand(4000, -1), [search.begin(seed, N_TOKENS) for seed in range(4000)])
    shares = drawn.bincount(minlength=6) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.2, 0.0, 0.25, 0.05, 0.0]), atol=0.03, rtol=0)
    assert shares[2] == shares[5] == 0


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("n_slots", [1, 4])
@pytest.mark.parametrize("assistant", ["the model itself", "another that hears the same"])
def test_speculative_decoding_writes_the_same(
    both: Both, timestamps: bool, n_slots: int, assistant: str, tmp_path: Path
) -> None:
    search = both.single(timestamps=timestamps)
    plain = both.pool(search, timestamps=timestamps, n_slots=n_slots)
    drafter = both.ours.memories
    if assistant != "the model itself":
        path = make_whisper(tmp_path / "other", width=48, layers=(2, 1), window=WINDOW, seed=3)
        drafter = build(read_folder(path), CPU, "float32", "auto", aligned=False).memories
    requests = [one for _, one in plain.waiting]
    pool = SpeculativePool(both.ours.memories, drafter, search, plain.marks, requests, n_slots=n_slots)
    drafted, known = pool.run(), plain.run()
    assert ids_of(drafted) == ids_of(known)
    for one, other in zip(drafted, known, strict=True):
        torch.testing.assert_close(one.text.logps, other.text.logps, atol=1e-4, rtol=0)
        torch.testing.assert_close(one.heard, other.heard, atol=1e-5, rtol=0)
    if assistant == "the model itself":
        # All is right but what was drafted beyond an end.
        assert pool.n_right > 0.5 * pool.n_drafted
    else:
        assert 0 <= pool.n_right < 0.5 * pool.n_drafted


def test_languages_are_those_of_transformers(both: Both) -> None:
    tokens = both.folder.tokens
    rest = {code: tuple(tokens.prompt(code, timestamps=False, limit=448)[1:]) for code in tokens.languages}
    requests = [Request(states, Prompt((tokens.sot,), rest)) for states in both.states]
    marks = Marks(tokens.no_speech, tokens.languages)
    pool = Pool(both.ours.memories, both.single(timestamps=False), marks, requests, n_slots=4)
    theirs = both.theirs.detect_language(both.mel).tolist()
    assert [tokens.languages[one.language] for one in pool.run()] == theirs


def test_a_text_in_a_detected_language_is_that_of_the_language_named(both: Both) -> None:
    tokens = both.folder.tokens
    rest = {code: tuple(tokens.prompt(code, timestamps=False, limit=448)[1:]) for code in tokens.languages}
    marks = Marks(tokens.no_speech, tokens.languages)
    search = both.single(timestamps=False)
    requests = [Request(states, Prompt((tokens.sot,), rest)) for states in both.states]
    detected = Pool(both.ours.memories, search, marks, requests, n_slots=4).run()
    named = [
        Request(states, Prompt((tokens.sot,), {None: rest[one.language]}))
        for states, one in zip(both.states, detected, strict=True)
    ]
    again = Pool(both.ours.memories, search, marks, named, n_slots=4).run()
    assert ids_of(again) == ids_of(detected)
    assert [one.no_speech for one in again] == pytest.approx([one.no_speech for one in detected], abs=1e-6)


def test_what_the_heads_heard_is_what_transformers_heads_heard(both: Both) -> None:
    found = both.pool(both.single(timestamps=False), timestamps=False, n_slots=4).run()
    prompt = both.prompt(timestamps=False)
    both.theirs.set_attn_implementation("eager")
    for at, one in enumerate(found):
        ids = torch.tensor([[*prompt, *one.text.ids]])
        out = both.theirs(both.mel[at : at + 1], decoder_input_ids=ids, output_attentions=True)
        theirs = torch.stack([out.cross_attentions[layer][0, head] for layer, head in both.folder.alignment_heads])
        heard = theirs[:, len(prompt) - 1 :][:, : one.heard.shape[1]]
        torch.testing.assert_close(one.heard, heard, atol=1e-5, rtol=0)
    both.theirs.set_attn_implementation("sdpa")


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
def test_fewer_bits_hear_nearly_the_same(both: Both, compute_type: str, tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "same", width=48, layers=(2, 3), window=WINDOW)
    other = build(read_folder(path), CPU, compute_type, "auto")
    states = other.encoder(both.mel)
    whole = torch.stack(both.states)
    assert (states - whole).std() < 0.05 * whole.std()
    assert (states - whole).abs().max() > 0  # it does compute in them


def test_weights_in_16_bits_give_the_numbers_that_transformers_gives_with_them_in_32(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "half", width=32, window=WINDOW, dtype=torch.float16)
    ours = build(read_folder(path), CPU, "float32", "auto")
    theirs = WhisperForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    mel = torch.randn(2, 80, round(WINDOW * 100), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.encoder(mel), theirs.model.encoder(mel).last_hidden_state, atol=2e-5, rtol=0)


@given(st.lists(st.sampled_from([1, 2, 100, 110, 125, 150]), max_size=8))
def test_what_is_complete_of_a_window_is_a_beginning_of_it(ids: list[int]) -> None:
    part = complete_part(ids, 100, 0.02)
    assert 0 <= part.n_tokens <= len(ids)
    if part.until is not None:  # something was cut off, behind a timestamp
        assert part.n_tokens < len(ids) and ids[part.n_tokens] >= 100 and ids[part.n_tokens - 1] >= 100
