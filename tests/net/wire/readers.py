"""readers.py SOCKET N leave|stay|half|silent: N readers of GET /v1/events?follow=1, one behind the other. Prints how many were
let in, and what the first refused one was told. leave: each hangs up at once; stay: until stdin ends; half: it ends its own side,
and prints what comes; silent: they connect and ask nothing, until stdin ends."""
import socket
import sys

path, n, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ASK = b"GET /v1/events?since=end&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n"


def read_until(s, what):
    text = b""
    while what not in text:
        piece = s.recv(4096)
        if not piece:
            break
        text += piece
    return text.decode()


def ask():
    """A socket, and what it was refused with."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # no limit yet: with one, connect fails at once where many wait already
    s.settimeout(10)
    if how == "silent":
        return s, ""
    s.sendall(ASK)
    head = read_until(s, b"\r\n\r\n")
    return s, "" if " 200 " in head.split("\r\n")[0] else head if "}" in head else head + read_until(s, b"}")


let_in, refused = [], ""
while len(let_in) < n and not refused:
    s, refused = ask()
    if not refused:
        let_in.append(s)
    if how == "leave":
        s.close()
print(len(let_in), *refused.split(), flush=True)
if how == "half":
    let_in[0].shutdown(socket.SHUT_WR)
    print("an event" if '"seq"' in read_until(let_in[0], b'"seq"') else "nothing", flush=True)
if how in ("stay", "silent"):
    sys.stdin.read()
