"""Options of decoding on their way from the command line to a backend; languages and doubts on their way back."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from asr_cli import punctuators, registry
from asr_cli.audio import Audio
from asr_cli.decoding import DecodingOptions
from asr_cli.errors import UsageError
from asr_cli.jobs.identity import hearing
from asr_cli.live.session import LiveOptions, draft_options, final_options
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.recognizers import assistant_folder, assistant_of, card_of, text_languages
from asr_cli.registry import Backend, ModelCard
from asr_cli.session import Session, absent
from asr_cli.text.finish import finishers
from asr_cli.text.language import NAMES, code
from asr_cli.transcript import Segment, Word
from tests.test_cli import QUICK, asr, said

FIELDS = tuple(field.name for field in fields(DecodingOptions))
LANGUAGES = ("en", "zh", "de", "fr", "ja", "yue")
WHISPER = ModelCard(
    name="large", summary="", languages=LANGUAGES, license="", bundled=True, punctuation=True,
    decoding=(*FIELDS, "assistant_model"),
)  # fmt: skip
SMALL = replace(WHISPER, name="small", bundled=False, huggingface="me/small")
PLAIN = ModelCard(name="plain", summary="", languages=("en",), license="", bundled=True)


class Telling:
    """German at first, then twice as much French; the first utterance is doubtful."""

    max_duration = 1.0

    def recognize(self, utterances):
        return [self.hear(one.start) for one in utterances]

    def hear(self, start):
        said = (Word(f" at{start:.0f}", start, start + 0.5),)
        return Segment(said, language="de" if start < 1 else "fr", suspect=None if start else "repetition")


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What the backends were told to load with."""
    found = []

    def load(card, folder, options):
        found.append(options)
        return Telling()

    known = (Backend("whispers", (WHISPER, SMALL), load, card_of=folder_card), Backend("other", (PLAIN,), load))
    monkeypatch.setattr(registry, "backends", lambda: {one.name: one for one in known})
    return found


def folder_card(folder):
    return replace(SMALL, name=folder.name) if folder.suffix == ".pt" or (folder / "config.json").is_file() else None


def asked(**given):
    return ModelOptions(model="large", vad_model=None, decoding=DecodingOptions(**given))


def heard(options, seconds=3):
    with Session(options) as session:
        blocks = [Audio(np.zeros(16_000, np.float32), start=float(second)) for second in range(seconds)]
        return session.transcribe(blocks, ReadOptions()).transcript()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"task": "summarize"}, "transcribe, translate"),
        ({"beam_size": 0}, "give 1 to"),
        ({"beam_size": 5, "temperature": 0.2}, "leave one of the two out"),
        ({"temperature": float("nan")}, "give 0 to 1"),
        ({"temperature_increment_on_fallback": 0.0}, "0.01 to 1"),
        ({"temperature_increment_on_fallback": 1e-9}, "0.01 to 1"),
        ({"compression_ratio_threshold": 0.0}, "more than 0"),
        ({"logprob_threshold": 1.0}, "at most 0"),
        ({"no_speech_threshold": 1.5}, "0 to 1"),
        ({"length_penalty": 0.8}, "--beam-size"),
        ({"length_penalty": float("inf"), "beam_size": 5}, "compares nothing"),
        ({"length_penalty": 1e9, "beam_size": 5}, "-10 to 10"),
        ({"length_penalty": -1e9, "beam_size": 5}, "-10 to 10"),
        ({"condition_on_previous_text": True}, "--long-form sequential"),
        ({"suppress_tokens": (-2,)}, "no token -2"),
        ({"long_form": "batched"}, "chunked, sequential"),
        ({"chunk_length": 0.0}, "positive duration"),
        ({"attention": "flash"}, "flash_attention_2"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_a_sentence(given, says):
    with pytest.raises(UsageError, match=says):
        DecodingOptions(**given)


def test_a_backend_is_told_what_was_asked_for(told):
    decoding = DecodingOptions(beam_size=5, initial_prompt="Names: Ada", suppress_tokens=(-1, 7))
    heard(replace(asked(), decoding=decoding, language="German"))
    assert (told[0].decoding, told[0].language, told[0].assistant) == (decoding, "de", None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"beam_size": 5}, "--beam-size is not for it"),
        ({"task": "translate"}, "'plain' cannot translate; --task translate is not for it"),
        ({"initial_prompt": "hi"}, "takes no prompt; --initial-prompt"),
        ({"no_speech_threshold": None}, "--no-speech-threshold is not for it"),
    ],
)
def test_a_model_is_not_asked_what_it_does_not_know(given, says):
    with pytest.raises(UsageError, match=says):
        card_of(replace(asked(**given), model="plain"))


def test_what_is_as_it_is_by_default_is_asked_of_nobody():
    assert card_of(replace(asked(task="transcribe", beam_size=1), model="plain")) is PLAIN


def test_prompt_and_translation_are_what_the_card_s_decoding_says():
    assert (WHISPER.prompt, WHISPER.translate, PLAIN.prompt, PLAIN.translate) == (True, True, False, False)
    assert not replace(WHISPER, decoding=("beam_size",)).translate


def test_options_of_decoding_and_the_assistant_make_another_run(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").touch()
    runs = [hearing(one, ReadOptions()) for one in (
        asked(), asked(beam_size=5), replace(asked(), assistant_model=str(folder)),
    )]  # fmt: skip
    assert len({json.dumps(run, sort_keys=True) for run in runs}) == 3


def test_an_assistant_s_folder_or_file_is_handed_to_the_backend(told, tmp_path):
    folder, file = tmp_path / "tiny", tmp_path / "tiny.pt"
    folder.mkdir()
    (folder / "config.json").touch()
    file.touch()
    for place in (folder, file):
        heard(replace(asked(), assistant_model=str(place)))
    assert [one.assistant for one in told] == [folder, file]


@pytest.mark.parametrize(
    ("model", "assistant", "says"),
    [
        ("large", "plain", "the same tokens"),
        ("large", "large", "is the model itself"),
        ("large", "fsmn-vad", "is a VAD model"),
        ("plain", "small", "takes no assistant"),
    ],
)
def test_an_assistant_that_cannot_help_is_refused(model, assistant, says):
    with pytest.raises(UsageError, match=says):
        assistant_of(replace(asked(), model=model, assistant_model=assistant))


def test_an_assistant_that_is_not_here_is_brought_like_the_model():
    named = replace(asked(), assistant_model="small")
    assert [card.name for card in absent(named)] == ["small"]
    assert not list(absent(asked()))


def test_an_assistant_is_found_in_the_folder_of_models(tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "model.safetensors").touch()
    named = replace(asked(), assistant_model="small", model_dir=tmp_path)
    assert assistant_folder(named) == tmp_path / "small" and not list(absent(named))


def test_the_search_is_said_of_what_makes_a_stream_s_finals():
    models = replace(asked(beam_size=5, task="translate"), model="plain", mode=None)
    options = LiveOptions(models=models, final_model="large")
    assert final_options(options).decoding == models.decoding
    assert draft_options(options).decoding == DecodingOptions()
    drafts = draft_options(replace(options, models=replace(models, model="large"), final_model="small"))
    assert drafts.decoding == DecodingOptions(task="translate")


def test_a_stream_has_no_long_form():
    with pytest.raises(UsageError, match="no long form"):
        LiveOptions(models=asked(long_form="sequential"))


def test_the_language_is_the_one_that_most_was_said_in_unless_it_was_asked_for():
    assert heard(asked()).language == "fr"
    assert heard(asked(), seconds=1).language == "de"
    assert heard(replace(asked(), language="ja")).language == "ja"


def test_where_nothing_was_said_only_a_model_of_few_languages_is_sure_of_the_language(monkeypatch):
    monkeypatch.setattr(Telling, "hear", lambda self, start: Segment(()))
    assert heard(asked()).language is None
    assert heard(replace(asked(), model="plain")).language == "en"


def test_numbers_and_scripts_leave_text_alone_that_was_heard_in_another_language():
    [stage] = finishers(itn=False, script="hant", languages=LANGUAGES)
    said = (Word("国", 0, 1),)
    texts = [one.text for one in stage([Segment(said, language=spoken) for spoken in ("zh", "ja", None)])]
    assert texts == ["國", "国", "國"]


def test_a_translation_is_written_in_english():
    translated = asked(task="translate")
    assert text_languages(translated, WHISPER) == text_languages(replace(translated, language="de"), WHISPER) == ("en",)
    with pytest.raises(UsageError, match="--script is for Chinese, and this is en"):
        list(absent(replace(translated, script="hans")))


def test_marks_are_put_on_where_the_model_writes_its_own_only_if_the_language_is_known():
    assert punctuators.choose(asked(), WHISPER, None) is None
    with pytest.raises(UsageError, match="add --language"):
        punctuators.choose(replace(asked(), punc=True), WHISPER, None)
    assert punctuators.choose(replace(asked(), punc=True), WHISPER, "en") is not None


def test_every_name_of_a_language_is_its_code():
    assert [code(one) for one in ("Cantonese", "Castilian", "haitian creole", "jv", "nb_NO")] == [
        "yue", "es", "ht", "jw", "no-NO",
    ]  # fmt: skip
    assert all(code(short) == short for short in set(NAMES.values()))


def told_on_the_line(tmp_path, *arguments, env=None):
    """The options that the telling recogniser of the fixtures was given."""
    sound = tmp_path / "a.wav"
    if not sound.exists():
        from tests.batches import write_wav

        write_wav(sound, 1.5)
    result = asr(
        "transcribe", sound, "-m", "teller", "--no-vad", *arguments, env={**QUICK, **(env or {})}, cwd=tmp_path
    )
    assert result.returncode == 0, said(result)
    return set(result.stdout.decode().split())


def test_whisper_s_spellings_arrive(tmp_path):
    assert told_on_the_line(
        tmp_path, "--beam_size", "5", "--condition_on_previous_text", "False", "--suppress_tokens", "-1,220",
        "--temperature_increment_on_fallback", "None", "--length_penalty=0.8", "--task", "translate",
        "--language", "fr",
    ) == {
        "beam_size=5", "suppress_tokens=(-1,220)", "temperature_increment_on_fallback=None", "length_penalty=0.8",
        "task='translate'", "language=fr",
    }  # fmt: skip


def test_what_is_configured_is_used_where_it_fits_and_what_is_typed_goes_before(tmp_path):
    (tmp_path / "asr.toml").write_text(
        'beam-size = 5\nlength-penalty = 0.9\nattention = "eager"\nlong-form = "sequential"\n'
        "condition-on-previous-text = true\nlogprob-threshold = -0.5\nsuppress_tokens = [1, 2]\n"
    )
    sequential = {"condition_on_previous_text=True", "long_form='sequential'"}
    assert told_on_the_line(tmp_path) == {"beam_size=5", "length_penalty=0.9", "suppress_tokens=(1,2)", *sequential}
    assert told_on_the_line(tmp_path, "--temperature", "0.4", "--long_form", "chunked", "--suppress_tokens", "") == {
        "temperature=0.4", "long_form='chunked'", "suppress_tokens=()",
    }  # fmt: skip
    assert "initial_prompt='hi'" in told_on_the_line(tmp_path, env={"ASR_INITIAL_PROMPT": "hi"})
    quick = asr("transcribe", tmp_path / "a.wav", "-m", "quick", "--no-vad", "--no-punc", env=QUICK, cwd=tmp_path)
    assert quick.returncode == 0, said(quick)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["transcribe", "x.wav", "-m", "teller", "--attention", "eager"], "--attention is not for it"),
        (["transcribe", "x.wav", "-m", "teller", "--logprob-threshold", "low"], "is no number"),
        (["transcribe", "x.wav", "-m", "teller", "--suppress-tokens", "a"], "with commas between"),
        (["transcribe", "x.wav", "-m", "teller", "--assistant-model", "sphinx"], "the same tokens"),
        (["srt", "x.wav", "-m", "teller", "--lang-suffix", "-o", "."], "add --language"),
        (["stream", "x.wav", "-m", "quick", "--task", "translate"], "cannot translate"),
    ],
)
def test_what_was_typed_and_is_not_for_the_model_is_refused(arguments, says, tmp_path):
    result = asr(*arguments, env=QUICK, cwd=tmp_path)
    assert result.returncode == 2 and says in said(result)


def test_doubtful_text_is_told_of_in_json_and_at_the_end(tmp_path):
    told_on_the_line(tmp_path)
    result = asr("transcribe", "a.wav", "-m", "teller", "--no-vad", "-o", "a.json", env=QUICK, cwd=tmp_path)
    assert "1 segments, 1 suspect (see JSON)" in said(result)
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["language"], found["segments"][0]["language"]) == ("de", "de")
    assert found["segments"][0]["suspect"] == "repetition"
    events = asr("transcribe", "a.wav", "-m", "teller", "--no-vad", "--json", env=QUICK, cwd=tmp_path)
    assert "W-SUSPECT" in said(events)
    [done] = [one for line in said(events).splitlines() if (one := json.loads(line))["event"] == "file_done"]
    assert done["n_suspect"] == 1


def test_a_batch_counts_doubtful_segments(tmp_path):
    told_on_the_line(tmp_path)
    command = ("batch", "a.wav", "-o", "out", "-m", "teller", "--no-vad", "-f", "json", "--beam-size", "2")
    result = asr(*command, env=QUICK, cwd=tmp_path)
    [record] = map(json.loads, (tmp_path / "out" / "asr-report.jsonl").read_text().splitlines())
    assert (record["status"], record["segments"], record["n_suspect"]) == ("done", 1, 1), said(result)
    [written] = (tmp_path / "out").rglob("a.json")
    assert json.loads(written.read_text())["segments"][0]["text"] == "beam_size=2"


def test_the_options_of_decoding_are_shown_with_the_others():
    shown = json.loads(asr("config", "show", "--json").stdout)
    assert set(FIELDS) | {"assistant_model"} <= set(shown)
    defaults = {name: shown[name]["value"] for name in FIELDS}
    assert defaults["beam_size"] == asdict(DecodingOptions())["beam_size"] and defaults["suppress_tokens"] == "-1"


def test_a_file_is_a_model_where_a_backend_reads_it(tmp_path):
    file = tmp_path / "small.pt"
    file.touch()
    assert card_of(ModelOptions(model=str(file))).name == "small.pt"
    assert registry.folder_named(registry.named_in("small.pt", tmp_path)) == file
    other = tmp_path / "song.mp3"
    other.touch()
    with pytest.raises(Exception, match="one file that none of them knows"):
        registry.find(str(other))
    assert hearing(replace(asked(), model=str(file)), ReadOptions())["model"][1][0] == str(Path(file))
