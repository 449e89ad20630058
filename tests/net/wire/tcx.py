"""tcx.py NS DEV [detach]: the id of the program that the kernel calls itself at what comes in by DEV (0: none); or takes it away."""
import sys

from wire import *

if __name__ == "__main__":
    if sys.argv[3:] == ["detach"]:
        tcx_detach(sys.argv[1], sys.argv[2])
    print(tcx_program(sys.argv[1], sys.argv[2]))
