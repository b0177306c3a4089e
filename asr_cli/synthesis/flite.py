"""flite as a library: no program to start for every sentence, and words come with their times."""

import ctypes
import functools
from collections.abc import Sequence

import numpy as np

from asr_cli.synthesis.reading import Reading, Voice, library, trimmed

LIBRARY = "libflite.so.1"
VOICES = ("kal16", "awb", "rms", "slt")


class Wave(ctypes.Structure):
    """`cst_wave`."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("n_samples", ctypes.c_int),
        ("n_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class Relation(ctypes.Structure):
    """`cst_relation`, as far as its first item."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("features", ctypes.c_void_p),
        ("utterance", ctypes.c_void_p),
        ("head", ctypes.c_void_p),
    )


class FliteVoice(ctypes.Structure):
    """`cst_voice`, as far as its settings."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


FUNCTIONS = {
    "flite_synth_text": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_void_p)),
    "utt_wave": (ctypes.POINTER(Wave), (ctypes.c_void_p,)),
    "utt_relation": (ctypes.POINTER(Relation), (ctypes.c_void_p, ctypes.c_char_p)),
    "ffeature_float": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_char_p)),
    "item_next": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "feat_set_float": (None, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float)),
    "delete_utterance": (None, (ctypes.c_void_p,)),
}
BEGIN = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
END = b"R:SylStructure.daughtern.daughtern.R:Segment.end"


class Flite:
    """One voice of libflite."""

    def __init__(self, name: str) -> None:
        self.library = library(LIBRARY, "flite")
        for function, (result, arguments) in FUNCTIONS.items():
            getattr(self.library, function).restype = result
            getattr(self.library, function).argtypes = arguments
        self.library.flite_init()
        register = library(f"libflite_cmu_us_{name}.so.1", "flite")[f"register_cmu_us_{name}"]
        register.restype, register.argtypes = ctypes.POINTER(FliteVoice), (ctypes.c_char_p,)
        self.voice = register(None)

    def read(self, voice: Voice, words: Sequence[str]) -> Reading:
        self.library.feat_set_float(self.voice.contents.features, b"duration_stretch", 1 / voice.speed)
        utterance = self.library.flite_synth_text((" ".join(words) + ".").encode(), self.voice)
        wave = self.library.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, (wave.n_samples,)).astype(np.float32) / np.float32(32768)
        rate = int(wave.rate)
        item, starts, ends = self.library.utt_relation(utterance, b"Word").contents.head, [], []
        while item:
            starts.append(self.library.ffeature_float(item, BEGIN))
            ends.append(self.library.ffeature_float(item, END))
            item = self.library.item_next(item)
        self.library.delete_utterance(utterance)
        return trimmed(samples, rate, starts, ends)


@functools.cache
def flite(name: str) -> Flite:
    return Flite(name)
