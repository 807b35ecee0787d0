"""The lines that carry progress and result to the agent, between the script's own output."""

import json
import math
import os
import sys
import threading

MARK = '\x1e'


class LogStream:
    """Text output of the script: a line at a time, remembering whether a line is open."""

    def __init__(self, stream):
        self._stream = stream
        self.line_open = False

    def write(self, text):
        written = self._stream.write(text)
        if text:
            self.line_open = not text.endswith('\n')
        return written

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __iter__(self):
        return iter(self._stream)


def open_log_streams():
    """Makes standard output and error UTF-8, line by line, and unable to fail on a character."""
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, 'w', encoding='utf-8')
        else:
            stream.reconfigure(encoding='utf-8', errors='backslashreplace', newline='\n',
                               line_buffering=True)
        setattr(sys, name, LogStream(stream))


def plain(value, depth=20):
    """Reduces a value to what every JSON reader accepts; the rest becomes text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        # Half a surrogate pair cannot be written in UTF-8.
        return value.encode('utf-8', 'replace').decode('utf-8')
    if depth and isinstance(value, dict):
        return {plain(str(key)): plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth - 1) for item in value]
    return plain(str(value))


class Frames:
    """Sends control frames on standard output, marked with the nonce of the job."""

    def __init__(self, nonce):
        self._nonce = nonce
        self._output = sys.stdout
        self._lock = threading.Lock()

    def send(self, event, **fields):
        """Writes one frame as a line of its own."""
        body = json.dumps(plain({'event': event, **fields}), separators=(',', ':'))
        with self._lock:
            if getattr(self._output, 'line_open', False):
                self._output.write('\n')
            self._output.write('%s%s %s\n' % (MARK, self._nonce, body))
            self._output.flush()

    def progress(self, percent, text):
        """Tells how far the hook is."""
        self.send('progress', percent=None if percent is None else max(0, min(100, int(percent))),
                  text=str(text))
