"""Doubles of the boards, for tests and for trying trilead without hardware: known waveforms, with faults on command."""

from acquire.emulators.cyton import FRAME_BYTES, CytonDouble
from acquire.emulators.device import Device, Piece
from acquire.emulators.faults import (
    Burst,
    CorruptByte,
    DuplicateFrame,
    ElectrodeOff,
    Fault,
    Garbage,
    HangUp,
    LostByte,
    LostFrames,
    PowerCycle,
    Silence,
    read_fault,
)
from acquire.emulators.lines import LinesDouble
from acquire.emulators.protocentral import Ads1292rDouble, Ads1293Double
from acquire.emulators.terminal import PseudoTerminal
from acquire.emulators.waveform import (
    MAX_INDEX,
    PATTERNS,
    Pattern,
    known_counts,
    known_index,
    known_levels,
    known_words,
)

__all__ = [
    "FRAME_BYTES",
    "MAX_INDEX",
    "PATTERNS",
    "Ads1292rDouble",
    "Ads1293Double",
    "Burst",
    "CorruptByte",
    "CytonDouble",
    "Device",
    "DuplicateFrame",
    "ElectrodeOff",
    "Fault",
    "Garbage",
    "HangUp",
    "LinesDouble",
    "LostByte",
    "LostFrames",
    "Pattern",
    "Piece",
    "PowerCycle",
    "PseudoTerminal",
    "Silence",
    "known_counts",
    "known_index",
    "known_levels",
    "known_words",
    "read_fault",
]
