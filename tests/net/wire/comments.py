"""comments.py: what a comment of vpc capture says: verdict, gate, object, rule, file, line, reason"""
import re

COMMENT = re.compile(r'(allow|deny)(?: (?:by|at) ([a-z-]+)(?:@(\S+))?)?(?:: rule "(.*?)")?(?: (\S+):(\d+))? \[([A-Z_0-9]+)\]$')
