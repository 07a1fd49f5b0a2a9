"""From the electrode to the recording: study folders, boards, the recorder process, journals, recording files."""
