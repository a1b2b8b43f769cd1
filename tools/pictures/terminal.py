#!/usr/bin/env python3
"""Runs a program in a terminal of its own, and draws what that shows at the end as an SVG picture.

    pip install pyte==0.8.2
    python3 tools/pictures/terminal.py OUT.svg COLUMNS SHOWN-COMMAND -- COMMAND ARGUMENTS...

Nothing is made up: the picture is the screen, with the shown command before it.
"""

import fcntl
import os
import pty
import struct
import sys
import termios
from html import escape

import pyte

SIZE, LINE, MARGIN = 14, 20, 16


def screen(command, columns):
    """The lines of the screen when the program has ended."""
    view = pyte.Screen(columns, 200)
    stream = pyte.ByteStream(view)
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 200, columns, 0, 0))
    while True:
        try:
            bytes_read = os.read(terminal, 65536)
        except OSError:
            break
        if not bytes_read:
            break
        stream.feed(bytes_read)
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit(f"{command}: status {status}")
    lines = [line.rstrip() for line in view.display]
    # The line for programs that follows is not for people.
    ends = [at for at, line in enumerate(lines) if line.startswith("RESULT ")]
    lines = lines[: min(ends, default=len(lines))]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def main():
    split = sys.argv.index("--")
    out, columns, shown = sys.argv[1:split]
    lines = [f"$ {shown}", *screen(sys.argv[split + 1 :], int(columns))]
    width = int(columns) * SIZE * 0.6 + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="{SIZE}">',
        f'<rect width="100%" height="100%" rx="8" fill="#1e2430"/>',
    ]
    for at, line in enumerate(lines):
        colour = "#8fd19e" if at == 0 else "#d8dee9"
        length = len(line) * SIZE * 0.6
        rows.append(
            f'<text x="{MARGIN}" y="{MARGIN + (at + 1) * LINE - 6}" fill="{colour}" textLength="{length:.1f}" '
            f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(line)}</text>'
        )
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join([*rows, "</svg>"]) + "\n")


main()
