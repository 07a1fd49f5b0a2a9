from __future__ import annotations

import pytest

from acquire.names import without_folders


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cyton:/dev/ttyUSB0?gain=12", "cyton:/dev/ttyUSB0?gain=12"),
        ("cyton:/dev/serial/by-id/usb-FTDI_1-if00", "cyton:/dev/serial/by-id/usb-FTDI_1-if00"),
        ("cyton:COM3", "cyton:COM3"),
        ("cyton:DM00Q0QN?gain=24&leads=I,II", "cyton:DM00Q0QN?gain=24&leads=I,II"),
        ("cyton:/home/somebody/links/cyton", "cyton:cyton"),
        (r"replay:C:\Users\somebody\one.h5?speed=max", "replay:one.h5?speed=max"),
        ("replay:../other/one.h5", "replay:one.h5"),
        ("replay:~/other/one.h5", "replay:one.h5"),
        ("brainflow:playback_file?file=/data/x/run.csv&loop=1", "brainflow:playback_file?file=run.csv&loop=1"),
        ("The disk of /home/somebody/study/journals has 5 MB.", "The disk of journals has 5 MB."),
        (
            "The board 'cyton:/tmp/a/b' has gone: its port /tmp/a/b hung up.",
            "The board 'cyton:b' has gone: its port b hung up.",
        ),
        ("5 mV/div and/or I/II; 1/2", "5 mV/div and/or I/II; 1/2"),
        ("", ""),
    ],
)
def test_of_a_path_only_the_files_own_name_is_left(text: str, kept: str) -> None:
    assert without_folders(text) == kept
