#!/usr/bin/env python3
"""Writes start.ld: which functions a short run needs, so that the linker puts them side by side.

    order.py PROGRAM PROFILE >start.ld

PROGRAM is a release build with its symbols, PROFILE what callgrind says of one run of it, with --dump-instr=yes
--compress-pos=no --compress-strings=no. `make layout` does both.

The kernel maps 64 KiB of a program around each page that it needs. A run of an experiment needs 3 MB of code, function
by function; scattered over all 20 MB, nearly every window of 64 KiB holds one, and all of the program is in memory.

Functions are named by the beginnings of their mangled names, without the hashes that each compiler makes anew. The
beginnings are chosen so that they cover what was needed, and little else, in few lines: a tree of names, in which a node
is taken whole, or left, or its children are asked, whichever costs least.
"""

import bisect
import re
import subprocess
import sys

WINDOW = 64 * 1024
# What a function costs that was needed and is in no line: most of a window, as few of its neighbours are needed.
LEFT = 40_000
# What a line costs, in bytes of code: it is read by people, and matched by the linker.
LINE = 3_000
# Where valgrind loads a program on x86-64. It knows a program's section `.text` alone: what lies in order already is told
# by its place in memory, as code of an unknown object.
LOADED = 0x108000
# Shorter beginnings would say nothing.
SHORTEST = 5


def functions(program):
    """Address, size and mangled name of each function, by address."""
    listed = subprocess.run(["nm", "-S", "-n", program], capture_output=True, text=True, check=True)
    found = {}
    for line in listed.stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tTwW" and int(words[1], 16):
            address, size = int(words[0], 16), int(words[1], 16)
            found.setdefault(address, (address, size, words[3]))
    return [found[address] for address in sorted(found)]


def needed(program, profile, all_functions):
    """Addresses of the functions in which an instruction was carried out."""
    starts = [address for address, _, _ in all_functions]
    addresses, within, offset = set(), False, 0
    with open(profile, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("ob="):
                name = line[3:].strip()
                within, offset = name in (program, "???"), LOADED if name == "???" else 0
            elif within and line.startswith("0x"):
                at = int(line.split()[0], 16) - offset
                if at < starts[0]:
                    continue
                address, size, _ = all_functions[bisect.bisect_right(starts, at) - 1]
                if at < address + size:
                    addresses.add(address)
    return addresses


def pieces(name):
    """A mangled name without its hash, cut where a beginning may end."""
    mangled = re.match(r"_ZN(.*)17h[0-9a-f]{16}E", name)
    if not mangled:
        # The standard library's names; a crate's number in them is the compiler's.
        numbered = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
        return re.findall(r"Cs\*_|\d*[A-Za-z]?[a-z0-9]+|.", numbered)
    parts, rest = ["_ZN"], mangled.group(1)
    while rest:
        digits = re.match(r"\d+", rest)
        if not digits:
            parts.append(rest)
            break
        end = digits.end() + int(digits.group())
        word = rest[digits.end() : end]
        # The length of a type that is written out depends on what comes last in it.
        head = "*" if "$" in word or "." in word else digits.group()
        first, *more = re.findall(r".+?(?:\$|\.\.|$)", word)
        parts += [head + first, *more]
        rest = rest[end:]
    return parts


class Node:
    """All functions whose names begin alike."""

    def __init__(self):
        self.children, self.size, self.needed = {}, 0, 0

    def add(self, name, size, is_needed):
        node = self
        for piece in [None, *pieces(name)]:
            node = node if piece is None else node.children.setdefault(piece, Node())
            node.size += size
            node.needed += is_needed

    def chosen(self, path=""):
        """What the cheapest choice costs, and its beginnings."""
        if not self.needed:
            return 0, []
        cost = (self.needed - sum(child.needed for child in self.children.values())) * LEFT
        beginnings = []
        for piece, child in self.children.items():
            of_child, more = child.chosen(path + piece)
            cost += of_child
            beginnings += more
        whole = LINE + self.size if len(path) >= SHORTEST else float("inf")
        leave = self.needed * LEFT
        return min((whole, [path]), (leave, []), (cost, beginnings), key=lambda choice: choice[0])


def windows(order, addresses):
    """How many windows hold a needed function, where functions lie in this order."""
    at, touched = 0, set()
    for address, size, _ in order:
        at = -(-at // 16) * 16
        if address in addresses:
            touched.update(range(at // WINDOW, (at + size - 1) // WINDOW + 1))
        at += size
    return len(touched)


def main():
    program, profile = sys.argv[1:]
    sys.setrecursionlimit(10_000)
    all_functions = functions(program)
    addresses = needed(program, profile, all_functions)
    root = Node()
    for address, size, name in all_functions:
        root.add(name, size, address in addresses)
    beginnings = sorted(root.chosen()[1])
    pattern = re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in beginnings))
    early = [one for one in all_functions if pattern.match(one[2])]
    late = [one for one in all_functions if not pattern.match(one[2])]
    before, after = (windows(order, addresses) * WINDOW >> 20 for order in (all_functions, early + late))
    print(
        f"{len(addresses)} functions needed, {len(beginnings)} lines; code in memory: {before} MiB by address,"
        f" {after} MiB in this order",
        file=sys.stderr,
    )
    print("/* What a short run needs lies together. Made by order.py, which says why; `make layout` makes it anew. */")
    print("SECTIONS\n{\n  .text.start :\n  {")
    for one in beginnings:
        # What the compiler takes for unlikely has sections of its own.
        print(f"    *(.text.{one}* .text.unlikely.{one}*)")
    print("  }\n}\nINSERT BEFORE .text;")


main()
