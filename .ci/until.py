"""until.py WORDS COMMAND…: run a command in a terminal, press Ctrl-C once it has said the words, and await its end."""

import contextlib
import os
import pty
import sys

words, command = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if not child:
    os.execvp(command[0], command)
said, pressed = b"", False
with contextlib.suppress(OSError):  # the terminal's end
    while data := os.read(terminal, 4096):
        os.write(sys.stdout.fileno(), data)
        said += data
        if not pressed and words.encode() in said:
            os.write(terminal, b"\x03")
            pressed = True
os.waitpid(child, 0)
sys.exit(not pressed)
