#!/usr/bin/env python3
"""An independent reading of docs/formats/state.md: state roots, proofs, and their verification.

Written from that page alone, with the standard library only; it shares nothing with src/. Tests
compare the program with it. Addresses are 256-bit integers here, and everything recurses.

  state_oracle.py vectors      prints golden vectors (fixtures/state_vectors.json), always the same
  state_oracle.py check FILE   checks a file of that form: every root, proof and answer in it
  state_oracle.py examples     prints the worked examples of the page
"""

import hashlib
import json
import random
import sys

BITS = 256
LEAF_BYTES = 125
MOST_PROOF_BYTES = 1 << 20
MOST_INTERVALS = 1024
MOST_LEAVES = 1024
EMPTY_ROOT = bytes(32)


class Invalid(Exception):
    """The proof does not hold."""


# --- hashes --------------------------------------------------------------------------------------


def hashed(purpose, swarm, data):
    return hashlib.blake2b(data, digest_size=32, person=purpose, salt=swarm[:16]).digest()


def address_of(swarm, key):
    return number(hashed(b"kvswarm address", swarm, key))


def leaf_hash(swarm, leaf):
    return hashed(b"kvswarm leaf", swarm, leaf)


def node_hash(swarm, depth, address, left, right):
    data = bytes([depth]) + in_bytes(prefix(address, depth)) + left + right
    assert len(data) == 97
    return hashed(b"kvswarm trienode", swarm, data)


# --- addresses -----------------------------------------------------------------------------------


def number(address):
    return int.from_bytes(address, "big")


def in_bytes(address):
    return address.to_bytes(32, "big")


def bit(address, place):
    return address >> (BITS - 1 - place) & 1


def prefix(address, depth):
    """The first `depth` bits of the address, then zero bits."""
    rest = BITS - depth
    return address >> rest << rest


def first_difference(one, other):
    return BITS - (one ^ other).bit_length()


def below(address, depth):
    """The interval of the addresses that begin with the first `depth` bits of the address."""
    first = prefix(address, depth)
    return first, first | (1 << (BITS - depth)) - 1


def place_of(address, depth, side):
    """The place of a child of a node of that depth, above the address."""
    return below(prefix(address, depth) | side << (BITS - 1 - depth), depth + 1)


# --- leaves --------------------------------------------------------------------------------------


def check_leaf(leaf):
    if len(leaf) != LEAF_BYTES:
        raise Invalid("a leaf is cut short")
    if leaf[0] != 1:
        raise Invalid("a leaf of another format")
    if int.from_bytes(leaf[97:101], "big") >= 4096:
        raise Invalid("a leaf of an op that no block can have")


def leaf_address(leaf):
    return number(leaf[1:33])


def make_leaf(address, op_hash, block_hash, index, document=1, hold=1, record=1):
    leaf = (
        bytes([1])
        + in_bytes(address)
        + op_hash
        + block_hash
        + index.to_bytes(4, "big")
        + document.to_bytes(8, "big")
        + hold.to_bytes(8, "big")
        + record.to_bytes(8, "big")
    )
    check_leaf(leaf)
    return leaf


def parts_of(leaves):
    """Depth, left and right leaves of two or more sorted leaves."""
    depth = first_difference(leaf_address(leaves[0]), leaf_address(leaves[-1]))
    middle = next(i for i, leaf in enumerate(leaves) if bit(leaf_address(leaf), depth))
    return depth, leaves[:middle], leaves[middle:]


def root_of(swarm, leaves):
    """The definition; leaves sorted by address."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(swarm, leaves[0])
    depth, left, right = parts_of(leaves)
    return node_hash(
        swarm, depth, leaf_address(leaves[0]), root_of(swarm, left), root_of(swarm, right)
    )


# --- questions -----------------------------------------------------------------------------------


class Question:
    def __init__(self, intervals, limit):
        assert 1 <= len(intervals) <= MOST_INTERVALS and 1 <= limit <= MOST_LEAVES
        assert all(first <= last for first, last in intervals)
        assert all(a[1] < b[0] for a, b in zip(intervals, intervals[1:]))
        self.intervals = intervals
        self.limit = limit

    def touches(self, place):
        return any(first <= place[1] and place[0] <= last for first, last in self.intervals)

    def asks_for(self, address):
        return self.touches((address, address))

    def answer_from(self, leaves):
        """Of all sorted leaves, those that answer the question."""
        return [leaf for leaf in leaves if self.asks_for(leaf_address(leaf))][: self.limit]

    def ended(self, answer):
        """The question as the limit ends it, once its answer is known."""
        if len(answer) < self.limit:
            return self
        end = leaf_address(answer[-1])
        cut = [(first, min(last, end)) for first, last in self.intervals if first <= end]
        return Question(cut, self.limit)


# --- making proofs -------------------------------------------------------------------------------


def prove(swarm, leaves, question):
    if not leaves:
        return b"\x01"
    asked = question.ended(question.answer_from(leaves))
    return b"\x01" + tree_of(swarm, leaves, asked, -1)


def tree_of(swarm, leaves, asked, above):
    """The tree record of leaves whose place touches the question."""
    if len(leaves) == 1:
        return b"\xc0" + leaves[0]
    depth, left, right = parts_of(leaves)
    address = leaf_address(leaves[0])
    if not asked.touches(below(address, depth)):
        return (
            bytes([0xC1, depth])
            + in_bytes(prefix(address, depth))[: (depth + 7) // 8]
            + root_of(swarm, left)
            + root_of(swarm, right)
        )
    skip = depth - above - 1
    tag = bytes([skip]) if skip < 63 else bytes([63, skip - 63])
    body = b""
    for side, part in enumerate((left, right)):
        if asked.touches(place_of(address, depth, side)):
            body += tree_of(swarm, part, asked, depth)
        else:
            tag = bytes([tag[0] | 0x40 << side]) + tag[1:]
            body += root_of(swarm, part)
    return tag + body


# --- checking proofs -----------------------------------------------------------------------------


class Part:
    """A subtree that was read. `address` is one below it, known to its first `known` bits."""

    def __init__(self, hash_, kind, address=0, known=0, left=None, right=None):
        self.hash, self.kind, self.address, self.known = hash_, kind, address, known
        self.left, self.right = left, right


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise Invalid("cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self):
        return self.take(1)[0]


def check(swarm, root, question, proof):
    """The leaves that answer the question; raises Invalid."""
    if len(proof) > MOST_PROOF_BYTES:
        raise Invalid("too long")
    source = Input(proof)
    if source.byte() != 1:
        raise Invalid("another version")
    if source.at == len(proof):
        if root != EMPTY_ROOT:
            raise Invalid("an empty proof against a root that is not")
        return []
    leaves = []
    top = read_tree(source, swarm, -1, leaves)
    if source.at != len(proof):
        raise Invalid("bytes are left over")
    answer = question.answer_from(leaves)
    check_places(top, (0, (1 << BITS) - 1), question.ended(answer))
    if top.hash != root:
        raise Invalid("another root")
    return answer


def read_tree(source, swarm, above, leaves):
    tag = source.byte()
    if tag == 0xC0:
        leaf = source.take(LEAF_BYTES)
        check_leaf(leaf)
        leaves.append(leaf)
        return Part(leaf_hash(swarm, leaf), "leaf", leaf_address(leaf), BITS)
    if tag == 0xC1:
        return read_diverging(source, swarm, above)
    if tag > 0xC1:
        raise Invalid("no such tag")
    skip = tag & 63
    if skip == 63:
        skip += source.byte()
    depth = above + 1 + skip
    if depth >= BITS:
        raise Invalid("too deep")
    stubs = {0: (), 1: (0,), 2: (1,)}[tag >> 6]
    children = []
    for side in (0, 1):
        if side in stubs:
            children.append(Part(source.take(32), "stub"))
        else:
            children.append(read_tree(source, swarm, depth, leaves))
    shown = [child for child in children if child.kind != "stub"]
    address = shown[0].address
    for side, child in enumerate(children):
        if child.kind == "stub":
            continue
        if child.known <= depth:
            raise Invalid("a child is not deeper")
        if prefix(child.address, depth) != prefix(address, depth):
            raise Invalid("two beginnings below one node")
        if bit(child.address, depth) != side:
            raise Invalid("on the wrong side")
    hash_ = node_hash(swarm, depth, address, children[0].hash, children[1].hash)
    return Part(hash_, "node", address, depth, *children)


def read_diverging(source, swarm, above):
    depth = source.byte()
    if depth <= above:
        raise Invalid("a diverging node is not deeper")
    size = (depth + 7) // 8
    address = number(source.take(size) + bytes(32 - size))
    if prefix(address, depth) != address:
        raise Invalid("a prefix with bits behind its end")
    hash_ = node_hash(swarm, depth, address, source.take(32), source.take(32))
    return Part(hash_, "diverging", address, depth)


def check_places(part, place, asked):
    if part.kind == "stub":
        if asked.touches(place):
            raise Invalid("a stub where the question asks")
        return
    if not asked.touches(place):
        raise Invalid("more than the question needs")
    if part.kind == "leaf":
        return
    touched = asked.touches(below(part.address, part.known))
    if touched != (part.kind == "node"):
        raise Invalid("a node shown as another kind")
    if part.kind == "node":
        for side, child in enumerate((part.left, part.right)):
            check_places(child, place_of(part.address, part.known, side), asked)


# --- vectors -------------------------------------------------------------------------------------

EXAMPLE_SWARM = bytes(range(32))


def question_json(question):
    return {
        "intervals": [[in_bytes(a).hex(), in_bytes(b).hex()] for a, b in question.intervals],
        "limit": question.limit,
    }


def proof_json(swarm, leaves, question):
    proof = prove(swarm, leaves, question)
    answer = question.answer_from(leaves)
    assert check(swarm, root_of(swarm, leaves), question, proof) == answer
    return {
        **question_json(question),
        "proof": proof.hex(),
        "answer": [in_bytes(leaf_address(leaf)).hex() for leaf in answer],
    }


def random_leaf(source, address):
    return make_leaf(
        address,
        source.randbytes(32),
        source.randbytes(32),
        source.randrange(4096),
        source.randrange(1 << 53),
        source.getrandbits(64),
        source.getrandbits(64),
    )


def random_question(source, addresses):
    near = lambda: source.choice(addresses) ^ 1 << source.choice((0, 1, 100, 200, 250, 254, 255))
    some = lambda: source.choice(addresses) if source.randrange(2) else near()
    kind = source.randrange(3)
    if kind == 0:
        one = some()
        return Question([(one, one)], 1)
    if kind == 1:
        keys = sorted({some() for _ in range(source.randrange(2, 6))})
        return Question([(key, key) for key in keys], len(keys))
    ends = sorted((source.choice((0, some())), source.choice(((1 << BITS) - 1, some()))))
    return Question([tuple(ends)], source.choice((1, 2, 3, 1024)))


def random_addresses(source, count, kind):
    """Addresses like those of keys, crowded ones, and ones that part only late."""
    if kind == "random":
        return sorted(source.getrandbits(BITS) for _ in range(count))
    if kind == "crowded":
        return sorted(n << (BITS - 4) for n in source.sample(range(16), count))
    stem = source.getrandbits(BITS)
    return sorted({stem ^ source.getrandbits(source.choice((2, 9, 60, 190))) for _ in range(count)})


def spoiled(source, proof):
    kind = source.randrange(3)
    if kind == 0:
        at = source.randrange(len(proof) * 8)
        return proof[: at // 8] + bytes([proof[at // 8] ^ 1 << at % 8]) + proof[at // 8 + 1 :]
    if kind == 1:
        return proof[: source.randrange(len(proof))]
    return proof + bytes([source.randrange(256)])


def vectors():
    source = random.Random(4)
    cases = []
    for count in (0, 1, 2, 3, 5, 8, 12):
        for kind in ("random", "crowded", "late"):
            swarm = source.randbytes(32)
            addresses = random_addresses(source, count, kind)
            leaves = [random_leaf(source, address) for address in addresses]
            questions = [random_question(source, addresses or [0]) for _ in range(5)]
            root = root_of(swarm, leaves)
            proofs = [proof_json(swarm, leaves, question) for question in questions]
            invalid = []
            for question, proof in zip(questions, proofs):
                entry = {**question_json(question)}
                entry["proof"] = spoiled(source, bytes.fromhex(proof["proof"])).hex()
                invalid.append(entry)
            cases.append(
                {
                    "name": f"{count} {kind}",
                    "swarm": swarm.hex(),
                    "leaves": [leaf.hex() for leaf in leaves],
                    "root": root.hex(),
                    "proofs": proofs,
                    "invalid": invalid,
                }
            )
    return {"cases": cases}


# --- checking a file -----------------------------------------------------------------------------


def question_of(entry):
    intervals = [
        (number(bytes.fromhex(first)), number(bytes.fromhex(last)))
        for first, last in entry["intervals"]
    ]
    return Question(intervals, entry["limit"])


def check_case(case):
    """How many roots and proofs it had; raises Invalid or AssertionError at the first wrong one."""
    swarm, root = bytes.fromhex(case["swarm"]), bytes.fromhex(case["root"])
    leaves = [bytes.fromhex(leaf) for leaf in case["leaves"]]
    if root_of(swarm, leaves) != root:
        raise Invalid("the root of the leaves is another one")
    for entry in case["proofs"]:
        question, proof = question_of(entry), bytes.fromhex(entry["proof"])
        answer = check(swarm, root, question, proof)
        if answer != question.answer_from(leaves):
            raise Invalid("a wrong answer")
        if [in_bytes(leaf_address(leaf)).hex() for leaf in answer] != entry["answer"]:
            raise Invalid("another answer than the file says")
        if prove(swarm, leaves, question) != proof:
            raise Invalid("another proof than ours")
    for entry in case["invalid"]:
        try:
            check(swarm, root, question_of(entry), bytes.fromhex(entry["proof"]))
        except Invalid:
            continue
        raise Invalid("a proof that must not hold does")
    return 1 + len(case["proofs"]) + len(case["invalid"])


def check_file(path):
    with open(path, encoding="ascii") as file:
        cases = json.load(file)["cases"]
    checked = 0
    for case in cases:
        try:
            checked += check_case(case)
        except Invalid as why:
            print(f"{case['name']}: {why}")
            return 1
    print(f"{checked} checked")
    return 0


# --- the page's examples -------------------------------------------------------------------------


def key_where(swarm, wanted):
    """The first of key0, key1 ... whose address is as wanted."""
    keys = (f"key{n}".encode() for n in range(10000))
    return next(key for key in keys if wanted(address_of(swarm, key)))


def examples():
    swarm = EXAMPLE_SWARM
    op_hash = bytes.fromhex("ee5e0a53568964faa467b84d5994295f1a1c7040f578e7e026c555dfa88c37b5")
    block_hash = bytes.fromhex("da61b108bf5540ae31065717b4953c6519418b524423b73d2a58bbea2fc5941b")
    keys = [b"greeting", b"farewell", b"hello"]
    op_hashes = [op_hash, b"\x02" * 32, b"\x03" * 32]
    leaves = sorted(
        make_leaf(address_of(swarm, key), hash_, block_hash, index)
        for index, (key, hash_) in enumerate(zip(keys, op_hashes))
    )
    depth, left, _ = parts_of(leaves)
    pair = left if len(left) == 2 else leaves[1:]
    low = first_difference(leaf_address(pair[0]), leaf_address(pair[1]))
    print(f"depths {depth}, {low}")
    one = lambda key: Question([(address_of(swarm, key),) * 2], 1)
    everything = (0, (1 << BITS) - 1)

    at_leaf = key_where(swarm, lambda a: first_difference(a, leaf_address(pair[0])) > low)
    apart = key_where(swarm, lambda a: depth < first_difference(a, leaf_address(pair[0])) < low)
    first = make_leaf(address_of(swarm, keys[0]), op_hash, block_hash, 0)
    print("leaf hash", leaf_hash(swarm, first).hex())
    for leaf in leaves:
        name = next(key for key in keys if address_of(swarm, key) == leaf_address(leaf))
        print("three leaves", leaf[1:33].hex(), leaf_hash(swarm, leaf).hex(), name.decode())
    print("three root", root_of(swarm, leaves).hex())
    print("proof present", prove(swarm, leaves, one(b"hello")).hex())
    print("proof absent leaf", at_leaf, prove(swarm, leaves, one(at_leaf)).hex())
    print("proof absent diverging", apart, prove(swarm, leaves, one(apart)).hex())
    print("proof range", prove(swarm, leaves, Question([everything], 1024)).hex())
    print("proof limited", prove(swarm, leaves, Question([everything], 1)).hex())


def main(arguments):
    if arguments == ["vectors"]:
        json.dump(vectors(), sys.stdout, indent=1)
        print()
    elif arguments == ["examples"]:
        examples()
    elif len(arguments) == 2 and arguments[0] == "check":
        return check_file(arguments[1])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
