"""top.py VPC WORD… : runs vpc top on a terminal of its own and reads its screen. Commands come on stdin, a line each:
    keys TEXT      sends it (escapes as in Python)
    wait REGEX     until a line of the screen matches; prints that line, or "never: REGEX" and the screen
    screen         prints the screen, once nothing has come for a while: it is painted, then
    size Y X       makes the terminal so many lines and columns, and begins with an empty screen
    end            waits for the end and prints the exit code
"""
import fcntl, os, pty, re, select, struct, sys, termios, time

ROWS, COLUMNS = 24, 110


class Screen:
    """As much of a vt100 as ncurses uses."""

    def __init__(self):
        self.cells, self.y, self.x, self.rest = [[" "] * COLUMNS for _ in range(ROWS)], 0, 0, b""
        self.top, self.bottom = 0, ROWS - 1  # the lines that scroll

    def feed(self, data):
        text = (self.rest + data).decode("utf-8", "replace")
        self.rest = b""
        i = 0
        while i < len(text):
            c = text[i]
            if c == "\x1b":
                m = re.compile(r"\x1b(\[[?>]?([0-9;]*)([A-Za-z])|[()][A-Z0-9]|[=>78M])").match(text, i)
                if not m:
                    self.rest = text[i:].encode()
                    return
                if m.group(3):
                    self.csi(m.group(3), [int(n or 0) for n in (m.group(2) or "").split(";")])
                elif m.group(1) == "M":
                    self.up()
                i = m.end()
                continue
            if c == "\n":
                self.down()
            elif c == "\r":
                self.x = 0
            elif c == "\b":
                self.x = max(self.x - 1, 0)
            elif c == "\t":
                self.x = min((self.x // 8 + 1) * 8, COLUMNS - 1)
            elif c >= " ":
                self.cells[self.y][min(self.x, COLUMNS - 1)] = c
                self.x += 1
            i += 1

    def down(self):
        if self.y == self.bottom:
            self.cells.insert(self.bottom + 1, [" "] * COLUMNS)
            del self.cells[self.top]
        else:
            self.y = min(self.y + 1, ROWS - 1)

    def up(self):
        if self.y == self.top:
            del self.cells[self.bottom]
            self.cells.insert(self.top, [" "] * COLUMNS)
        else:
            self.y = max(self.y - 1, 0)

    def csi(self, what, n):
        one = n[0] or 1
        if what == "H":
            self.y, self.x = one - 1, (n[1] if len(n) > 1 and n[1] else 1) - 1
        elif what in "ABCD":
            self.y += {"A": -one, "B": one}.get(what, 0)
            self.x += {"C": one, "D": -one}.get(what, 0)
        elif what == "K":
            span = {0: range(self.x, COLUMNS), 1: range(self.x + 1), 2: range(COLUMNS)}[n[0]]
            for x in span:
                self.cells[self.y][x] = " "
        elif what == "r":
            self.top, self.bottom = one - 1, (n[1] if len(n) > 1 and n[1] else ROWS) - 1
            self.y = self.x = 0
        elif what == "J":
            for y in range(self.y if n[0] == 0 else 0, ROWS):
                for x in range(self.x if n[0] == 0 and y == self.y else 0, COLUMNS):
                    self.cells[y][x] = " "
        self.y, self.x = min(max(self.y, 0), ROWS - 1), min(max(self.x, 0), COLUMNS)

    def lines(self):
        return ["".join(r).rstrip() for r in self.cells]


pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "vt100"
    os.environ.pop("LINES", None), os.environ.pop("COLUMNS", None)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
screen = Screen()


def read(seconds):
    if select.select([fd], [], [], seconds)[0]:
        try:
            screen.feed(os.read(fd, 65536))
        except OSError:
            return False
    return True


for command in sys.stdin:
    word, _, arg = command.rstrip("\n").partition(" ")
    if word == "keys":
        os.write(fd, arg.encode().decode("unicode_escape").encode())
    elif word == "wait":
        until = time.monotonic() + 10
        found = None
        while not found and time.monotonic() < until:
            found = next((l for l in screen.lines() if re.search(arg, l)), None)
            if not found and not read(0.1):
                break
        print(found or "never: " + arg + "\n" + "\n".join(screen.lines()))
    elif word == "size":
        ROWS, COLUMNS = map(int, arg.split())
        screen = Screen()
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    elif word == "screen":
        while select.select([fd], [], [], 0.2)[0] and read(0):
            pass
        print("\n".join(screen.lines()))
    elif word == "end":
        ended = (0, 0)
        while read(0.1) and ended == (0, 0):
            ended = os.waitpid(pid, os.WNOHANG)
        if ended == (0, 0):
            ended = os.waitpid(pid, 0)
        print("exit", os.waitstatus_to_exitcode(ended[1]))
    sys.stdout.flush()
