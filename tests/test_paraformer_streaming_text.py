"""Live text of the streaming Paraformer, and how it gets to whoever asks for it."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from asr_plugins.paraformer import BACKEND, CARDS
from asr_plugins.paraformer.draft import Text, Token
from asr_plugins.paraformer.loading import load
from asr_plugins.paraformer.look import look
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli import catalog, registry
from asr_cli.audio import Audio
from asr_cli.errors import ModelError
from asr_cli.models.paraformer_streaming import Chunks
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.registry import LoadOptions
from asr_cli.text.words import Piece, join
from tests.tools.small_paraformer import VARIANTS, sounds
from tests.tools.small_streaming import FACTS, streaming_folder

PIECES = ["你", "好", "hel@@", "lo", "world", "i", "b", "m", "a", "3", ".", "'s", "plan", "<unk>", None, "（", "%"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return streaming_folder(tmp_path_factory.mktemp("streaming") / "model")


def tokens(texts, gap=3.0):
    return [Token(text, 0.9, gap * (i + 1)) for i, text in enumerate(texts)]


def told(text, new, n_rows, final=False):
    return text.heard(new).draft(n_rows, final=final, sentencepiece=False)


def test_a_word_whose_pieces_come_in_two_chunks_is_one_word():
    """FunASR writes each chunk's text alone: what goes on is lost, and what it went on from stands there by itself."""
    one, two = tokens(["hel@@", "lo"])
    draft, text = told(Text(), [one], 10)
    assert [word.text for word in draft.words] == ["hel"] and draft.n_final == 0
    draft, text = told(text, [two], 20)
    assert [word.text for word in draft.words] == ["hello"] and draft.n_final == 0
    draft, _ = told(text, [], 20, final=True)
    assert [word.text for word in draft.words] == ["hello"] and draft.n_final == 1
    assert FACTS["pieces"] == ["lo", "hello"]


def test_a_word_is_final_once_it_is_over():
    draft, text = told(Text(start=5.0), tokens(["你", "好", "吗"]), 4)
    assert (len(draft.words), draft.n_final) == (3, 2)
    assert [word.start for word in draft.words] == pytest.approx([5.06, 5.12, 5.18])
    assert [word.end for word in draft.words] == pytest.approx([5.12, 5.18, 5.24])
    draft, _ = told(text, [Token("不", 0.5, 60.0)], 40)
    assert draft.words[2].end == pytest.approx(5.18 + 12 * 0.02)  # a token lasts no longer


def test_tokens_that_are_no_text_end_the_one_before():
    draft, _ = told(Text(), [*tokens(["你"]), Token(None, 0.9, 5.0)], 10, final=True)
    assert [(word.text, word.end) for word in draft.words] == [("你", pytest.approx(0.1))]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.lists(st.integers(0, 40), max_size=8), st.floats(1, 20))
def test_text_that_comes_bit_by_bit_is_the_text_of_all_pieces(texts, cuts, gap):
    all_tokens = tokens(texts, gap)
    end = int(gap * (len(texts) + 2) / 3) + 1
    text, drafts, places = Text(), [], [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    for i in range(len(places) - 1):
        final = i == len(places) - 2
        draft, text = told(
            text, all_tokens[places[i] : places[i + 1]], end if final else int(gap * places[i + 1] / 3), final
        )
        drafts.append(draft)
    whole, _ = told(Text(), all_tokens, end, True)
    assert drafts[-1] == whole and whole.n_final == len(whole.words)
    spelled = join(Piece(one, 0, 0) for one in texts if one)
    assert [word.text for word in whole.words] == [word.text for word in spelled]
    for draft in drafts:
        assert draft.words[: draft.n_final] == whole.words[: draft.n_final]


def test_words_that_are_done_are_not_put_together_again():
    text = Text()
    for at in range(500):
        _, text = told(text, [Token("你", 0.9, 3.0 * at)], at + 1)
        assert len(text.pieces) <= 2
    assert len(text.words) >= 497


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_a_loaded_model_hears_live_and_whole_utterances(folder, compute_type):
    options = LoadOptions(compute_type=compute_type, threads=2, device="cpu", chunk_size=(5, 8, 4))
    recognizer = BACKEND.load(look(folder), folder, options)
    assert isinstance(recognizer, Recognizer) and isinstance(recognizer, StreamingRecognizer)
    assert recognizer.chunk_duration == pytest.approx(0.48)
    utterances = [Audio(sound, start=10.0 * i) for i, sound in enumerate(sounds())]
    segments = recognizer.recognize(utterances)
    drafts = recognizer.hear([Chunk(utterance, final=True) for utterance in utterances])
    if compute_type == "float32":  # sums of more streams at once are rounded otherwise
        texts = [[word.text for word in draft.words] for draft, _ in drafts]
        assert [[word.text for word in segment.words] for segment in segments] == texts
    assert [bool(segment.words) for segment in segments] == [True] * 4
    recognizer.close()


def test_what_the_user_says_of_chunks_is_what_is_done(folder):
    def chunks(**given):
        recognizer = load(look(folder), folder, LoadOptions(compute_type="float32", threads=1, device="cpu", **given))
        recognizer.close()
        return recognizer.streaming.chunks

    assert chunks() == Chunks(0, 10, 5, 4, 1)
    assert chunks(chunk_size=(5, 10, 5), encoder_chunk_look_back=-1, decoder_chunk_look_back=0) == Chunks(
        5, 10, 5, -1, 0
    )


def test_a_folder_says_that_it_hears_live(folder, tmp_path):
    assert look(folder).streaming and look(folder).word_times
    for variant in VARIANTS:
        (tmp_path / variant).mkdir()
        (tmp_path / variant / "config.yaml").write_text(f"model: {variant}_paraformer\n")
        card = look(tmp_path / variant)
        assert card is None or not card.streaming
    names = [card.name for card in CARDS if card.streaming]
    assert names == ["paraformer-streaming", "paraformer-streaming-small", "paraformer-streaming-tiny"]


@pytest.mark.parametrize("name", ["paraformer-zh-streaming", "funasr/paraformer-zh-streaming"])
def test_it_answers_to_the_name_that_funasr_gives_it(name):
    assert registry.find(name)[1].name == catalog.find(name).card.name == "paraformer-streaming"
    assert name in registry.known_names()


def test_a_file_is_transcribed_with_it(folder, tmp_path):
    soundfile.write(tmp_path / "talk.wav", np.concatenate(sounds()), 16_000)
    command = [sys.executable, "-m", "asr", "transcribe", tmp_path / "talk.wav", "--model", folder, "--no-vad"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) > 5


def test_no_graph_is_written_of_a_network_that_hears_in_chunks(tmp_path):
    from asr_cli.export import export
    from tests.tools.mid_paraformer import write_streaming

    folder = write_streaming(tmp_path / "model")
    with pytest.raises(ModelError, match="streaming"):
        list(export(str(folder), tmp_path / "out"))
    assert not (tmp_path / "out").exists()
