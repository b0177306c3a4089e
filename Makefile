# demo: the main job on a fresh machine    test: everything that is quick    check: the rules    bench: the figures
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python

# fuzz: 22,500 damaged and hostile files and lists, every opened file and every connection traced where strace is.
.PHONY: demo test test-slow check fuzz batch-trial batch-kill batch-endurance batch-speed stream-latency stream-endurance stream-many stream-microphone stream-terminal bench-streaming bench bench-endurance bench-peers bench-growth bench-transducer bench-tables bench-bat bench-tiny bench-adapt whisper-mini distil-whisper-mini bench-whisper bench-whisper-long bench-whisper-endurance parity vad-train punc-train clean

$(VENV)/.installed: pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	$(PY) -m pip install --quiet --disable-pip-version-check $$($(PY) tests/tools/dev_requirements.py)
	touch $@

demo: $(VENV)/.installed
	$(PY) -m asr srt examples/morning.mp3 -o out/
	cat out/morning.srt
	$(PY) -m asr lint out/morning.srt

# Two workers with a thread each: with more, threads of one wait in turns for those of the other.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.installed
	$(PY) -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.installed
	$(PY) -m pytest -m slow

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed
	$(PY) tests/benchmarks/startup.py
	$(PY) tests/benchmarks/vad_speed.py
	$(PY) tests/benchmarks/vad_agreement.py
	$(PY) tests/benchmarks/features_parity.py
	$(PY) tests/benchmarks/stitch_cost.py
	$(PY) tests/benchmarks/punctuation_quality.py
	$(PY) tests/benchmarks/punctuation_cost.py
	$(PY) tests/benchmarks/wer.py

fuzz: $(VENV)/.installed
	$(PY) -m tests.fuzz.run

# 2,000 recordings, one in twenty broken; kill -9 at 30 moments; a recording of 24 hours and a list of 100,000 lines.
batch-trial: $(VENV)/.installed
	$(PY) tests/benchmarks/batch_trial.py

batch-kill: $(VENV)/.installed
	$(PY) tests/benchmarks/batch_kill.py

batch-endurance: $(VENV)/.installed
	$(PY) tests/benchmarks/batch_endurance.py

batch-speed: $(VENV)/.installed
	$(PY) tests/benchmarks/batch_speed.py $(AUDIO) $(MODEL)

bench-endurance: $(VENV)/.installed
	$(PY) tests/benchmarks/endurance.py

# MODELS: full-size checkpoints in FunASR's layout (paraformer-large, ct-punc, fsmn-vad); PEERS: a Python that has FunASR,
# funasr-onnx and sherpa-onnx; AUDIO: a 16 kHz mono WAV.
bench-peers: $(VENV)/.installed
	$(PY) tests/benchmarks/paraformer_peers.py $(MODELS) $(PEERS) $(AUDIO)

bench-growth: $(VENV)/.installed
	$(PY) tests/benchmarks/growth.py $(MODELS) $(AUDIO)

parity: $(VENV)/.installed
	$(PY) tests/benchmarks/paraformer_parity.py $(MODELS)/paraformer-large $(PEERS)
	$(PY) tests/benchmarks/streaming_parity.py $(MODELS)/paraformer-large-online $(PEERS)
	$(PY) tests/benchmarks/uniasr_parity.py $(MODELS)/uniasr $(PEERS) $(AUDIO)
	$(PY) tests/benchmarks/punctuation_parity.py $(PEERS)

vad-train: $(VENV)/.installed
	$(PY) -m asr_cli.train.vad --out asr_cli/weights/fsmn_vad.safetensors

punc-train: $(VENV)/.installed
	$(PY) -m asr_cli.train.punctuation --text ../shared/data/text/en --out asr_cli/weights/ct_punc_en.safetensors

# The small recognisers that come with the program, from speech that is synthesised here: make bat-tiny, and so on. An
# hour each, two at once on two cores; espeak-ng and flite have to be there. One may begin from another: what shipped.
CORPUS ?= out/corpus
$(CORPUS)/.made: $(VENV)/.installed
	$(PY) -m asr_cli.synthesis --out $(CORPUS)/train --hours 24 --split train
	for split in valid test-seen test-unseen; do \
	  $(PY) -m asr_cli.synthesis --out $(CORPUS)/$$split --hours 0.5 --split $$split || exit 1; done
	for split in test-seen test-unseen; do \
	  $(PY) -m asr_cli.synthesis --out $(CORPUS)/$$split-clean --hours 0.5 --split $$split --clean || exit 1; done
	$(PY) -m asr_cli.synthesis --out $(CORPUS)/adapt --hours 0.33 --split adapt
	$(PY) -m asr_cli.synthesis --out $(CORPUS)/adapt-test --hours 0.17 --split adapt-test
	$(PY) -m asr_cli.synthesis --out $(CORPUS)/long --long 12 --split test-seen
	touch $@

BEGIN_paraformer-streaming-tiny = --init-from paraformer-tiny --max-epochs 2 --set lr=0.002
%-tiny: $(CORPUS)/.made
	OMP_NUM_THREADS=1 $(PY) -m asr train $@ --data $(CORPUS)/train --valid $(CORPUS)/valid -o out/$@ --precision bfloat16 $(BEGIN_$@)
	$(PY) -m asr_cli.train.ship out/$@/model asr_cli/weights/$@

# A small Whisper, from nothing and then in fuller windows, two hours; and one with half of its decoder that learns from
# it, half an hour, which does not ship.
WHISPER = OMP_NUM_THREADS=1 $(PY) -m asr train --data $(CORPUS)/train --valid $(CORPUS)/valid --precision bfloat16
out/whisper-begun/model: $(CORPUS)/.made
	$(WHISPER) whisper-mini -o out/whisper-begun
out/whisper-mini/model: out/whisper-begun/model
	$(WHISPER) whisper-mini --init-from $< -o out/whisper-mini --set max_steps=4000 --set lr=0.001
whisper-mini: out/whisper-mini/model
	$(PY) -m asr_cli.train.ship $< asr_cli/weights/$@
distil-whisper-mini: out/whisper-mini/model
	$(WHISPER) $@ --init-from $< -o out/$@

# A Whisper beside transformers and faster-whisper, with as many tokens a chunk. MODEL: any folder in transformers' format,
# such as a random one (python -m tests.tools.small_whisper small DIR); beside it ct2-NAME, converted for faster-whisper.
bench-whisper: $(VENV)/.installed
	$(PY) tests/benchmarks/whisper_speed.py $(MODEL) $(PEERS) $(AUDIO)

# What the small pair hears of long recordings each way, and what drafting is worth; memory over ten hours.
TEACHER ?= whisper-mini
STUDENT ?= out/distil-whisper-mini/model
bench-whisper-long: $(CORPUS)/.made
	$(PY) tests/benchmarks/whisper_longform.py $(CORPUS) $(TEACHER) $(STUDENT)

bench-whisper-endurance: $(VENV)/.installed
	$(PY) tests/benchmarks/whisper_endurance.py $(TEACHER) 10

# What they hear: MODELS are names or folders.
bench-tiny: $(CORPUS)/.made
	$(PY) tests/benchmarks/tiny_models.py $(CORPUS) $(MODELS)

# Twenty minutes of a voice that MODEL (bat-tiny) does not know: what it hears of it before and after.
bench-adapt: MODEL ?= bat-tiny
bench-adapt: $(CORPUS)/.made
	OMP_NUM_THREADS=1 $(PY) -m asr train --init-from $(MODEL) --data $(CORPUS)/adapt --valid $(CORPUS)/valid -o out/adapt \
	  --precision bfloat16 --max-epochs 8 --set batch_seconds=40 --set lr=0.0005 --set warmup_steps=50 --set schedule=cosine
	$(PY) tests/benchmarks/tiny_models.py $(CORPUS) $(MODEL) out/adapt/model

# The transducer's loss beside the whole lattice's (DEVICE=cuda); the tables of BAT in small, on few voices: an hour.
DEVICE ?= cpu
bench-transducer: $(VENV)/.installed
	$(PY) tests/benchmarks/transducer_loss.py --device $(DEVICE)

bench-tables: $(VENV)/.installed
	for corpus in "train 6 train" "valid 0.2 valid" "test-seen-clean 0.5 test-seen"; do set -- $$corpus; \
	  $(PY) -m asr_cli.synthesis --out out/few/$$1 --hours $$2 --split $$3 --clean \
	    --voices espeak:en-us espeak:en espeak:en-us+f2 flite:slt flite:rms || exit 1; done
	$(PY) tests/benchmarks/transducer_tables.py out/few out/tables

# Beside FunASR, as bench-peers: MODELS has rwkv-bat, as tests/tools/large_bat.py makes it; and ten hours of a stream.
bench-bat: $(VENV)/.installed
	$(PY) tests/benchmarks/bat_speed.py $(MODELS)/rwkv-bat $(PEERS) $(AUDIO)
	$(PY) tests/benchmarks/bat_speed.py --stream $(MODELS)/rwkv-bat $(AUDIO) 10

# How soon captions come; a stream of 12 hours; 32 streams at once; a microphone.
stream-latency: $(VENV)/.installed
	$(PY) tests/benchmarks/stream_latency.py

stream-endurance: $(VENV)/.installed
	$(PY) tests/benchmarks/stream_endurance.py $(AUDIO)

stream-many: $(VENV)/.installed
	$(PY) tests/benchmarks/stream_many.py $(AUDIO)

stream-microphone: $(VENV)/.installed
	$(PY) tests/benchmarks/stream_microphone.py

stream-terminal: $(VENV)/.installed
	$(PY) tests/benchmarks/stream_terminal.py $(AUDIO)

# Beside FunASR, as bench-peers: MODELS also has paraformer-large-online and uniasr.
bench-streaming: $(VENV)/.installed
	$(PY) tests/benchmarks/streaming_speed.py $(MODELS)/paraformer-large-online $(PEERS) $(AUDIO)
	$(PY) tests/benchmarks/uniasr_speed.py $(MODELS)/uniasr $(PEERS) $(AUDIO)

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
