#!/usr/bin/env python3
"""Verifies the draw of a fairslot release from its published transcripts.

    python3 verify_draw.py [--digest HEX] [--receipt FILE] [--proof FILE] [--seal FILE] FILES...
        [--result FILES...]

FILES are the transcripts of all rounds of one release from round 0 on, in any order, gzip or plain.
Exit status: 0 accepted, 1 refused (with file and line), 2 asked in a wrong way, 3 nothing is
wrong, but the round that a receipt's entry must be in is not among the files.

Written from docs/draw.md alone, with names and order of that page, and with nothing but the
standard library of Python 3.9 or later, so that it can be read in an hour and trusted or not.

It recomputes everything that the page defines: the manifest's hash, what happened between the
rounds, every member of every seal (entries' Merkle root, hash of `since`, link to the round before,
the beacon value that had to be used), the seed, every leaf and key, the order, the whole draw, the
free seats, the hash of the transcript and the digest. Every line must be byte for byte the one that
this program would have written. With --receipt, --proof and --seal it checks a person's receipt and
an operator's seal (Ed25519), and the place of the entry in the Merkle tree. With --result it checks
that result files say what their rounds gave, no more and no less.

It does not check
- the BLS signature of a drand value, for want of a library. The other two verifiers do; or compare
  the value with https://api.drand.sh/<chain>/public/<round>;
- whose network a drand chain is, unless it is quicknet;
- whether a result file is the one that somebody else was given: nobody signs it;
- what no verifier can see: whether there are people behind the entries, whether an entry was lost
  before the seal (its owner can see that, with a receipt), when a seal was really written, and what
  the owner of a hash chain did with its secret.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import time
import zlib
from array import array
from datetime import datetime, timedelta, timezone

MAX_LINE = 16 * 1024 * 1024  # of `since`, that or more: it grows with the entries that are in
MAX_PARTS = 1_000_000  # lists, objects and members of a line: in memory each takes a hundred bytes
MAX_ENTRIES = 8_000_000
MAX_INTEGER = 2**53 - 1  # beyond it, JSON numbers are not exact (RFC 8785 is about doubles)
CHUNK = 64 * 1024

TRUST = {
    "quicknet": "the drand network: nobody can know or choose a value before its time unless most "
    "members of the network work together",
    "drand": "whoever runs the drand chain that the manifest names: no file tells whether that is "
    "a network of many, or the operator alone, who then knew every value in advance",
    "hash-chain": "the operator: the values of a hash chain were fixed before the release opened, "
    "but the operator knew them while entries came in",
}
QUICKNET = {
    "chain": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "genesis_time": 1692803367,
    "period_s": 3,
    "public_key": "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3a"
    "c6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e"
    "76eae8991ef5ece45a",
}


class Refused(Exception):
    """What was given is not what the page says. Without `line`, the line just read is meant."""

    def __init__(self, reason, line=None):
        super().__init__(reason)
        self.reason, self.line = reason, line


class Unusable(Exception):
    """The question can't be answered as it was asked: a file that can't be opened, say."""


def demand(condition, reason, line=None):
    if not condition:
        raise Refused(reason, line)


# --- Notation ---------------------------------------------------------------------------------


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tag(name):
    return b"fairslot/v1/" + name.encode("ascii") + b"\0"


def u32(n):
    return n.to_bytes(4, "big")


def u64(n):
    return n.to_bytes(8, "big")


def utf16(text):
    """What RFC 8785 sorts by. For ASCII it is the order of the characters."""
    return text.encode("utf-16-be", "surrogatepass")


def canonical(value):
    """RFC 8785, for all that occurs here: no number but whole ones."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        members = [canonical(k) + ":" + canonical(value[k]) for k in sorted(value, key=utf16)]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join([canonical(item) for item in value]) + "]"
    return json.dumps(value)  # true, false, null and whole numbers


def JCS(value):
    try:
        return canonical(value).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("holds half a character, a lone surrogate") from None
    except RecursionError:
        raise Refused("is nested too deeply") from None


def whole_number(text):
    demand(len(text) <= 17 and abs(int(text)) <= MAX_INTEGER, "holds a number beyond 2^53 - 1")
    return int(text)


def no_such_number(text):
    raise Refused("holds a number that is not written as a whole one")


# A member that is there twice is not in the canonical form: nobody need look for it here.
NUMBERS = dict(parse_int=whole_number, parse_float=no_such_number, parse_constant=no_such_number)
DECODER = json.JSONDecoder(**NUMBERS)


def parse(data):
    parts = data.count(b"[") + data.count(b"{") + data.count(b":")
    demand(parts <= MAX_PARTS, "has more than 1,000,000 lists, objects and members")
    try:
        value = DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused("is not UTF-8") from None
    except RecursionError:
        raise Refused("is nested too deeply") from None
    except ValueError:
        raise Refused("is not JSON") from None
    demand(isinstance(value, dict), "is not a JSON object")
    return value


def is_hex(value, size):
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{%d}" % (2 * size), value) is not None


def is_integer(value, least, most=MAX_INTEGER):
    return type(value) is int and least <= value <= most  # not isinstance: True is no number here


def is_name(value, most):
    pattern = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
    return isinstance(value, str) and len(value) <= most and re.fullmatch(pattern, value)


def unbase64url(text, size):
    """The bytes; None unless `text` is the one way to write `size` bytes in base64url."""
    if not isinstance(text, str) or not re.fullmatch("[A-Za-z0-9_-]+", text) or len(text) > 1024:
        return None
    if len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if len(data) == size and base64url(data) == text else None


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def milliseconds(text, what):
    """Since 1970, of a time as the page writes it."""
    pattern = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
    reason = what + " is not a time like 2021-04-10T14:40:00.000Z, from 1970 on"
    demand(isinstance(text, str) and re.fullmatch(pattern, text) and text >= "1970", reason)
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00")
    except ValueError:
        raise Refused(reason) from None
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def has_members(value, *names):
    return isinstance(value, dict) and value.keys() == set(names)


def ascending(keys):
    return all(a < b for a, b in zip(keys, keys[1:]))


def short(value):
    """For a message: what a file says, cut off, nothing in it that a terminal would act on."""
    if isinstance(value, (dict, list)):
        return "a list or an object"
    return printable(value if isinstance(value, str) else json.dumps(value), 80)


def printable(text, most=400):
    text = "".join(c if c.isprintable() else "\\u%04x" % ord(c) for c in text[:most])
    return text if len(text) < most else text + "…"


# --- The manifest -----------------------------------------------------------------------------


class Release:
    """A manifest, and what has become of its seats and entries so far.

    Entries are numbered in the order that they have: by the round that they were new in, then by
    their place in it. There may be millions: what is known of them stands in arrays, by number.
    """

    def __init__(self, manifest):
        self.manifest, self.manifest_hash = manifest, H(JCS(manifest))
        self.read_terms(manifest)
        # The chain of rounds.
        self.next_round, self.previous, self.value_at = 0, bytes(32), []  # by round, in ms
        self.hash_chain_value = bytes.fromhex(manifest["beacon"].get("anchor", ""))
        # Seats, by pool: free now, held now, free after the last round.
        self.free = [seats for _, _, seats in self.pools]
        self.held = [0] * len(self.pools)
        self.free_after_last = None
        self.closed = set()
        # Entries, by number. `prefs[starts[i]:starts[i + 1]]` are the preferences of entry i.
        self.number_of = {}  # by id, of those who are in: they wait, hold a seat or are displaced
        self.ids, self.sizes, self.cats = bytearray(), array("q"), array("I")
        self.prefs, self.starts = array("I"), array("Q", [0])
        self.state, self.pool_held = bytearray(), array("i")
        self.seated_in = array("I")  # the round that gave the seats, where any are held
        self.waiting, self.displaced = [], []  # ascending

    def read_terms(self, manifest):
        rules = manifest.get("rules")
        wrong = "its rules are %s: this verifier knows fairslot/v1" % short(rules)
        demand(rules == "fairslot/v1", wrong)
        demand(manifest.get("mode") == "lottery", "its mode is not lottery")
        self.name = manifest.get("release")
        fits = is_name(self.name, 40) and len(self.name) >= 3 and "." not in self.name
        demand(fits, "release is not such a name")
        self.pools, self.pool_number = [], {}  # (slot, pool, seats) by number; numbers by name
        self.pools_of, self.slot_number = [], {}  # pools of a slot by its number; numbers by name
        self.category = {}  # by name: one bit of 32
        slots = manifest.get("slots")
        demand(isinstance(slots, list) and 1 <= len(slots) <= 20_000, "slots is not 1 to 20,000")
        for slot in slots:
            self.read_slot(slot)
        demand(len(self.category) <= 32, "the manifest has more than 32 categories")
        # How names stand in JSON, so that millions of lines need not ask again.
        names = [*self.slot_number, *self.category, "open"]
        self.quoted = {name: JCS(name).decode() for name in names}

        limits = manifest.get("limits")
        demand(isinstance(limits, dict), "the manifest has no limits")
        self.most_prefs, self.most_people = limits.get("preferences"), limits.get("group_size")
        demand(is_integer(self.most_prefs, 1, 10), "limits.preferences is not 1 to 10")
        demand(is_integer(self.most_people, 1, 4), "limits.group_size is not 1 to 4")

        self.last_reserved = manifest.get("dereserve_after_round", "missing")
        if self.last_reserved is not None:
            fits = is_integer(self.last_reserved, 0, 20_000)
            demand(fits, "dereserve_after_round is not null or 0 to 20,000")
            for slot in self.slot_number:
                demand((slot, "open") in self.pool_number, "slot %s has no pool open" % slot)

        self.closes_at = milliseconds(manifest.get("closes_at"), "closes_at")
        self.confirm_within_s = manifest.get("confirm_within_s")
        fits = is_integer(self.confirm_within_s, 1, 604_800)
        demand(fits, "confirm_within_s is not 1 to 604,800")
        check_beacon_terms(manifest.get("beacon"))
        key = manifest.get("receipt_key")
        demand(has_members(key, "kid", "x"), "the manifest's receipt_key is not {kid, x}")
        x = unbase64url(key["x"], 32)
        demand(x and has_prime_order(point_decode(x)), "receipt_key.x is not a public key")
        demand(key["kid"] == thumbprint(key["x"]), "receipt_key.kid is not the thumbprint of its x")

    def read_slot(self, slot):
        fits = isinstance(slot, dict) and is_name(slot.get("slot"), 64)
        demand(fits, "the id of a slot is not such a name")
        name = slot["slot"]
        demand(name not in self.slot_number, "slot %s is there twice" % name)
        pools = slot.get("pools")
        fits = isinstance(pools, list) and 1 <= len(pools) <= 8
        demand(fits, "slot %s does not have 1 to 8 pools" % name)
        self.slot_number[name] = len(self.slot_number)
        of_slot = []
        for pool in pools:
            fits = isinstance(pool, dict) and is_name(pool.get("pool"), 24)
            fits = fits and is_integer(pool.get("seats"), 0, 1_000_000)
            demand(fits, "a pool is not a name and 0 to 1,000,000 seats")
            known_as = (name, pool["pool"])
            demand(known_as not in self.pool_number, "slot %s has a pool twice" % name)
            self.pool_number[known_as] = len(self.pools)
            needs = 0  # `open` asks for no category
            if pool["pool"] != "open":
                needs = self.category.setdefault(pool["pool"], 1 << len(self.category))
            of_slot.append((len(self.pools), needs))
            self.pools.append((name, pool["pool"], pool["seats"]))
        self.pools_of.append(of_slot)

    def id_of(self, i):
        return bytes(self.ids[16 * i : 16 * i + 16])


def trust_of(beacon):
    is_quicknet = beacon.get("chain") == QUICKNET["chain"]
    return TRUST["quicknet" if is_quicknet else beacon["kind"]]


def check_beacon_terms(beacon):
    kind = beacon.get("kind") if isinstance(beacon, dict) else None
    if kind == "hash-chain":
        fits = has_members(beacon, "anchor", "kind", "length")
        demand(fits, "the manifest's beacon is not {anchor, kind, length}")
        demand(is_hex(beacon["anchor"], 32), "beacon.anchor is not 32 bytes in hexadecimal")
        demand(is_integer(beacon["length"], 1, 20_000), "beacon.length is not 1 to 20,000")
    elif kind == "drand":
        names = ("chain", "genesis_time", "kind", "period_s", "public_key", "seal_margin_s")
        demand(has_members(beacon, *names), "the manifest's beacon is not {%s}" % ", ".join(names))
        demand(is_hex(beacon["chain"], 32), "beacon.chain is not 32 bytes in hexadecimal")
        demand(is_hex(beacon["public_key"], 96), "beacon.public_key is not 96 bytes in hexadecimal")
        for name, least, most in (
            ("genesis_time", 0, 100_000_000_000),
            ("period_s", 1, 3_600),
            ("seal_margin_s", 1, 3_600),
        ):
            demand(is_integer(beacon[name], least, most), "beacon.%s is out of its bounds" % name)
        if beacon["chain"] == QUICKNET["chain"]:
            for name, value in QUICKNET.items():
                demand(beacon[name] == value, "beacon.%s is not that of the chain, quicknet" % name)
    else:
        raise Refused("the manifest's beacon is neither drand nor hash-chain")


# --- Entries ----------------------------------------------------------------------------------

ENTRY_ID = re.compile("[A-Za-z0-9_-]{21}[AQgw]")  # 22 characters that stand for 16 bytes, no more
GONE, WAITS, HOLDS, DISPLACED = range(4)


def id_bytes(text):
    fits = isinstance(text, str) and ENTRY_ID.fullmatch(text)
    demand(fits, "an entry id is not 22 characters of base64url for 16 bytes")
    return base64.urlsafe_b64decode(text + "==")


def read_entry(release, doc):
    """-> id, categories as bits, preferences as slot numbers, and the JSON of cats and prefs."""
    cats, prefs, size = doc["cats"], doc["prefs"], doc["size"]
    entry = id_bytes(doc["entry"])
    demand(isinstance(cats, list) and isinstance(prefs, list), "cats or prefs is not a list")
    try:
        bits = sum([release.category[name] for name in cats])
    except (KeyError, TypeError):
        raise Refused("cats has what is not a category of the manifest") from None
    try:
        slots = [release.slot_number[name] for name in prefs]
    except (KeyError, TypeError):
        raise Refused("prefs has what is not a slot of the manifest") from None
    demand(ascending(cats), "cats is not ascending")
    demand(1 <= len(slots) <= release.most_prefs, "has no preferences or too many")
    demand(len(set(slots)) == len(slots), "prefers a slot twice")
    demand(is_integer(size, 1, release.most_people), "size is not from 1 to limits.group_size")
    cats = ",".join([release.quoted[name] for name in cats])
    prefs = ",".join([release.quoted[name] for name in prefs])
    return entry, bits, slots, cats, prefs


def leaf_of(entry_jcs):
    return H(b"\0", entry_jcs)


def merkle_root(leaves):
    """RFC 6962, 2.1: whole subtrees, one for each bit of the number of leaves, then joined."""
    subtrees = []
    for n, leaf in enumerate(leaves, 1):
        node = leaf
        while n % 2 == 0:
            node, n = H(b"\1", subtrees.pop(), node), n // 2
        subtrees.append(node)
    root = subtrees.pop() if subtrees else H(b"")
    while subtrees:
        root = H(b"\1", subtrees.pop(), root)
    return root


# --- What happened since the last round -------------------------------------------------------


def check_since(since):
    """The form of the five lists."""
    names = ("cancelled", "closed", "expired", "lost", "withdrawn")
    demand(has_members(since, *names), "since is not {%s}" % ", ".join(names))
    for name in names:
        demand(isinstance(since[name], list), "since.%s is not a list" % name)
    for name in ("cancelled", "expired", "withdrawn"):
        ids = [id_bytes(text) for text in since[name]]
        demand(ascending(ids), "since.%s does not ascend" % name)
    for slot in since["closed"]:
        demand(isinstance(slot, str), "since.closed has what is not a slot")
    demand(ascending(since["closed"]), "since.closed does not ascend")
    for item in since["lost"]:
        fits = isinstance(item, list) and [type(part) for part in item] == [str, str, int]
        demand(fits and item[2] >= 1, "since.lost has what is not [slot, pool, seats]")
    demand(ascending([item[:2] for item in since["lost"]]), "since.lost does not ascend")


def last_expired_offers(release, since):
    """-> the last round of which offers expired; None where none did."""
    entries = [release.number_of.get(id_bytes(text)) for text in since["expired"]]
    return max([release.seated_in[i] for i in entries if i is not None], default=None)


def apply_since(release, since):
    """In the order of the page's table. Leaves behind who waits and who is displaced."""
    free, held, state = release.free, release.held, release.state

    def remove(name, text, must, *states):
        i = release.number_of.get(id_bytes(text))
        fits = i is not None and state[i] in states
        demand(fits, "since.%s: %s does not %s" % (name, text, must))
        if state[i] == HOLDS:
            free_seats(release, i)
        state[i] = GONE
        del release.number_of[id_bytes(text)]

    for text in since["cancelled"]:
        remove("cancelled", text, "hold a seat", HOLDS)
    for text in since["expired"]:
        remove("expired", text, "hold a seat", HOLDS)

    holders = [[] for _ in release.pools]  # by pool, ascending
    if since["closed"] or since["lost"]:
        for i in range(len(state)):
            if state[i] == HOLDS:
                holders[release.pool_held[i]].append(i)
    displaced = []

    def displace_last(pool):
        i = holders[pool].pop()
        free_seats(release, i)
        state[i] = DISPLACED
        displaced.append(i)

    for slot in since["closed"]:
        demand(slot in release.slot_number, "since.closed: there is no slot %s" % short(slot))
        demand(slot not in release.closed, "since.closed: %s is closed already" % short(slot))
        release.closed.add(slot)
        for pool, _ in release.pools_of[release.slot_number[slot]]:
            while holders[pool]:
                displace_last(pool)
            free[pool] = 0
    for slot, name, seats in since["lost"]:
        pool = release.pool_number.get((slot, name))
        where = "since.lost: %s of %s" % (short(name), short(slot))
        demand(pool is not None, where + " is no pool")
        demand(slot not in release.closed, where + " is of a closed slot")
        demand(seats <= free[pool] + held[pool], where + " does not have %d seats" % seats)
        while free[pool] < seats:
            displace_last(pool)
        free[pool] -= seats

    for text in since["withdrawn"]:
        remove("withdrawn", text, "wait", WAITS, DISPLACED)

    if since["withdrawn"] or displaced or release.displaced:
        release.waiting = [i for i in release.waiting if state[i] == WAITS]
        in_either = sorted(release.displaced + displaced)
        release.displaced = [i for i in in_either if state[i] == DISPLACED]


def dereserve(release, n):
    if release.last_reserved is None or n <= release.last_reserved:
        return
    for (slot, _), pool in release.pool_number.items():
        to = release.pool_number[(slot, "open")]
        if pool != to:
            release.free[to] += release.free[pool]
            release.free[pool] = 0


def free_seats(release, i):
    pool = release.pool_held[i]
    release.free[pool] += release.sizes[i]
    release.held[pool] -= release.sizes[i]


# --- The seal, the beacon and the seed --------------------------------------------------------


def check_seal(release, n, seal, since, offers_of):
    """All but `count` and `root`, which can be compared when the entries have been read.

    `offers_of`: the last round of which offers expired, if any did.
    """
    names = "beacon count cut_at manifest_hash previous release root round sealed_at since_hash"
    demand(has_members(seal, *names.split()), "the seal does not have the members of a seal")
    demand(is_integer(seal["count"], 0), "the seal's count is not a number")
    demand(seal["count"] <= MAX_ENTRIES, "more than 8,000,000 entries: this verifier stops there")
    demand(is_hex(seal["root"], 32), "the seal's root is not a hash")
    cut_at = milliseconds(seal["cut_at"], "cut_at")
    sealed_at = milliseconds(seal["sealed_at"], "sealed_at")
    expected = {
        "round": n,
        "release": release.name,
        "manifest_hash": release.manifest_hash.hex(),
        "previous": release.previous.hex(),
        "since_hash": H(JCS(since)).hex(),
    }
    for name, value in expected.items():
        differs = "the seal's %s is %s, not %s" % (name, short(seal[name]), value)
        demand(JCS(seal[name]) == JCS(value), differs)
    demand(cut_at >= release.closes_at, "cut_at is before the manifest's closes_at")
    demand(sealed_at >= cut_at, "sealed_at is before cut_at")
    later = not release.value_at or cut_at > release.value_at[-1]
    demand(later, "cut_at is not later than the seal and the beacon's value of the round before")
    if offers_of is not None:
        earliest = release.value_at[offers_of] + 1000 * release.confirm_within_s
        demand(cut_at >= earliest, "offers of round %d expired too early" % offers_of)

    terms = release.manifest["beacon"]
    if terms["kind"] == "hash-chain":
        named, value_at = {"kind": "hash-chain", "step": n + 1}, sealed_at
        demand(n + 1 <= terms["length"], "the hash chain has no step %d" % (n + 1))
    else:
        # The first round of the network that is at least the margin after sealed_at, times in ms.
        after_genesis = sealed_at + 1000 * (terms["seal_margin_s"] - terms["genesis_time"])
        periods = -(-after_genesis // (1000 * terms["period_s"]))  # rounded up
        named = {"kind": "drand", "round": 1 + max(0, periods)}
        value_at = 1000 * (terms["genesis_time"] + max(0, periods) * terms["period_s"])
    demand(JCS(seal["beacon"]) == JCS(named), "the seal's beacon is not %s" % JCS(named).decode())
    release.value_at.append(value_at)


def beacon_bytes(release, seal, value):
    """Checks a beacon's value against the seal and the manifest, all but a BLS signature."""
    terms, named = release.manifest["beacon"], seal["beacon"]
    if terms["kind"] == "hash-chain":
        fits = has_members(value, "kind", "preimage", "step") and is_hex(value["preimage"], 32)
        fits = fits and JCS({"kind": value["kind"], "step": value["step"]}) == JCS(named)
        demand(fits, "the beacon is not the value of the step that the seal names")
        preimage = bytes.fromhex(value["preimage"])
        fits = H(preimage) == release.hash_chain_value
        demand(fits, "the preimage does not hash to the value before")
        release.hash_chain_value = preimage
        return preimage
    fits = has_members(value, "kind", "round", "signature") and is_hex(value["signature"], 48)
    fits = fits and JCS({"kind": value["kind"], "round": value["round"]}) == JCS(named)
    demand(fits, "the beacon is not the value of the drand round that the seal names")
    return bytes.fromhex(terms["chain"]) + u64(value["round"]) + bytes.fromhex(value["signature"])


def seed_of(release, n, seal, bytes_of_beacon):
    root = bytes.fromhex(seal["root"])
    return H(tag("seed"), release.manifest_hash, u32(n), release.previous, root, bytes_of_beacon)


# --- Giving seats -----------------------------------------------------------------------------


def give_seats(release, i):
    """-> the pool that entry i now holds seats of, or None if it waits."""
    size, cats, free = release.sizes[i], release.cats[i], release.free
    for slot in release.prefs[release.starts[i] : release.starts[i + 1]]:
        for pool, needs in release.pools_of[slot]:
            if free[pool] >= size and (needs == 0 or cats & needs):
                free[pool] -= size
                release.held[pool] += size
                release.state[i], release.pool_held[i] = HOLDS, pool
                release.seated_in[i] = release.next_round
                return pool
    return None


def draw_earlier(release):
    """Displaced entries, then those who wait. -> [(entry, pool)] of those who get seats."""
    offers = []
    for i in release.displaced:
        pool = give_seats(release, i)
        if pool is not None:
            offers.append((i, pool))
    # Those who wait were passed over when every pool had at least what it had after the last round:
    # only a pool that has more by now can take one of them.
    before = release.free_after_last or release.free
    more = [pool for pool in range(len(before)) if release.free[pool] > before[pool]]
    for i in release.waiting:
        if not more:
            break
        pool = give_seats(release, i)
        if pool is not None:
            offers.append((i, pool))
            more = [pool for pool in more if release.free[pool] > 0]
    return offers


# --- Files ------------------------------------------------------------------------------------


class Lines:
    """The lines of a file, one after the other, in bounded memory."""

    def __init__(self, path, longest=MAX_LINE, skip=None):
        self.path, self.number, self.line = path, 0, None  # the current line, without its line feed
        self.longest = longest
        self.skip = skip or longest  # what is longer is read as nothing
        self.problem = None  # why there is no current line, if not because the file is at its end
        self.before = hashlib.sha256()  # of all bytes before the current line
        self.source = self.read_lines()

    def pieces(self):
        try:
            with open(self.path, "rb") as file:
                data = file.read(CHUNK)
                if data[:2] != b"\x1f\x8b":
                    while data:
                        yield data
                        data = file.read(CHUNK)
                    return
                gzip = zlib.decompressobj(wbits=31)
                while data:
                    yield gzip.decompress(data, 4 * CHUNK)
                    data = gzip.unused_data or gzip.unconsumed_tail or file.read(CHUNK)
                    demand(not (gzip.eof and data), "something follows the gzip member")
                demand(gzip.eof, "the file ends in the middle of its gzip")
        except zlib.error:
            raise Refused("the gzip is damaged") from None
        except OSError as error:
            raise Unusable("%s: %s" % (self.path, error.strerror or error)) from None

    def read_lines(self):
        begun, size = [], 0  # pieces of a line that is not whole yet
        for piece in self.pieces():
            first, *more = piece.split(b"\n")
            size += len(first)
            demand(size <= self.longest, "is longer than %d bytes" % self.longest)
            begun = [*begun, first] if size <= self.skip else []
            for part in more:
                yield b"".join(begun)
                begun, size = [part], len(part)
        demand(size == 0, "the file ends in the middle of a line")

    def advance(self):
        """Goes to the next line. What is wrong with it is said when somebody wants it."""
        if self.line is not None:
            self.before.update(self.line + b"\n")
        self.number += 1
        try:
            self.line = next(self.source, None)
        except Refused as problem:
            self.line, self.problem = None, problem

    def document(self, kind):
        """What the current line holds, which must be of this kind."""
        if self.problem:
            raise self.problem
        demand(self.line is not None, "the file ends where a line of kind %s belongs" % kind)
        doc = parse(self.line)
        demand(doc.get("kind") == kind, "is of kind %s, not %s" % (short(doc.get("kind")), kind))
        return doc

    def check(self, kind, *members):
        """The same; it must have these members and no other, and be canonical."""
        doc = self.document(kind)
        demand(has_members(doc, "kind", *members), "does not have the members of its kind")
        demand(JCS(doc) == self.line, "is not the canonical JSON of its document")
        return doc

    def next(self, kind, *members):
        self.advance()
        return self.check(kind, *members)

    def is_offer(self):
        return self.line is not None and self.line.startswith(b'{"entry":')

    def end(self):
        self.advance()
        if self.problem:
            raise self.problem
        demand(self.line is None, "something follows the digest line")


def round_named(path):
    """The round that a file's seal names; None if none of its first three lines is a seal."""
    lines = Lines(path, longest=2**29, skip=CHUNK)  # `since` may be long, and is not wanted yet
    for _ in range(3):
        lines.advance()
        try:
            seal = lines.document("seal")["seal"]
            return seal["round"] if is_integer(seal["round"], 0) else None
        except (Refused, KeyError, TypeError):
            pass
    return None


def in_order(paths):
    """-> [(path, the round that it names)]. One that names none goes where a round is missing."""
    files = [(path, round_named(path)) for path in paths]
    named = sorted([one for one in files if one[1] is not None], key=lambda one: one[1])
    unnamed = [one for one in files if one[1] is None]
    places = []
    while named or unnamed:
        missing = not named or named[0][1] > len(places)
        places.append((unnamed if unnamed and missing else named).pop(0))
    return places


# --- A round ----------------------------------------------------------------------------------


class Claims:
    """What the lines of a round say of its new entries, by their place in it."""

    def __init__(self, first):
        self.first = first  # the number of the first of them in the release
        self.leaves, self.keys, self.pools = bytearray(), bytearray(), array("i")

    def leaf(self, place):
        return bytes(self.leaves[32 * place : 32 * place + 32])


ENTRY_LINE = (
    '{"cats":[%s],"entry":"%s","key":"%s","kind":"entry","leaf":"%s","pool":%s,"prefs":[%s],'
    '"size":%d,"slot":%s}'
)


def read_entry_line(release, doc, claims, line):
    """Adds a new entry. All that can be said of it before the draw: its place comes later."""
    members = ("cats", "entry", "key", "kind", "leaf", "pool", "prefs", "size", "slot")
    demand(has_members(doc, *members), "does not have the members of an entry")
    entry, bits, slots, cats, prefs = read_entry(release, doc)
    text, size = doc["entry"], doc["size"]
    demand(entry not in release.number_of, "entry %s is in the release already" % text)
    entry_jcs = '{"cats":[%s],"entry":"%s","prefs":[%s],"size":%d}' % (cats, text, prefs, size)
    leaf = leaf_of(entry_jcs.encode())
    demand(doc["leaf"] == leaf.hex(), "the leaf is not that of the entry")
    demand(is_hex(doc["key"], 32), "the key is not a hash")
    slot, pool, taken = "null", "null", -1
    if doc["slot"] is not None or doc["pool"] is not None:
        known_as = (doc["slot"], doc["pool"])
        fits = isinstance(doc["slot"], str) and isinstance(doc["pool"], str)
        demand(fits and known_as in release.pool_number, "the manifest has no such slot and pool")
        slot, pool, taken = *map(release.quoted.get, known_as), release.pool_number[known_as]
    expected = ENTRY_LINE % (cats, text, doc["key"], doc["leaf"], pool, prefs, size, slot)
    demand(expected.encode() == line, "is not the canonical JSON of its document")

    release.number_of[entry] = len(release.sizes)
    release.ids += entry
    release.sizes.append(size)
    release.cats.append(bits)
    release.prefs.extend(slots)
    release.starts.append(len(release.prefs))
    release.state.append(WAITS)
    release.pool_held.append(-1)
    release.seated_in.append(0)
    claims.leaves += leaf
    claims.keys += bytes.fromhex(doc["key"])
    claims.pools.append(taken)


def verify_round(lines, release, progress, watched):
    """One file. -> the release, and what there is to report of the round."""
    if release is None:
        doc = lines.next("manifest", "manifest")
        demand(isinstance(doc["manifest"], dict), "the manifest is not an object")
        release = Release(doc["manifest"])
    n = release.next_round
    demand(n < 2**32, "there is no such round")

    since = lines.next("since", "since")["since"]
    check_since(since)
    offers_of = last_expired_offers(release, since)
    apply_since(release, since)
    dereserve(release, n)
    free_before = list(release.free)

    seal = lines.next("seal", "seal")["seal"]
    check_seal(release, n, seal, since, offers_of)
    seal_line = lines.number

    beacon = lines.next("beacon", "beacon", "seed", "trust")
    beacon_line = lines.number

    # The seed, and with it the draw of new entries, follows from the root of all of them: they are
    # read first and compared with the draw then. What is wrong with an offer, or with the line
    # after the entries, waits until what stands before it has been found right.
    offered, wrong_offer = compare_offers(release, lines)
    try:
        claims = read_entries(release, n, seal["count"], lines, progress)
    except Refused as refused:
        raise wrong_offer or refused
    entries_line = lines.number - seal["count"]

    root = root_of(release, claims)
    demand(seal["root"] == root, "the seal's root is not that of the entries, %s" % root, seal_line)
    try:
        trust = trust_of(release.manifest["beacon"])
        seed = seed_of(release, n, seal, beacon_bytes(release, seal, beacon["beacon"]))
        demand(beacon["seed"] == seed.hex(), "the seed is not %s" % seed.hex())
        demand(beacon["trust"] == trust, "trust is not the sentence of this beacon")
    except Refused as refused:
        raise Refused(refused.reason, beacon_line)
    if wrong_offer:
        raise wrong_offer
    seated = compare_entries(release, n, seed, claims, entries_line, progress)

    doc = lines.check("seats", "seats")
    last = release.free_after_last
    seats = [
        [slot, pool, free_before[p], release.free[p]]
        for p, (slot, pool, _) in enumerate(release.pools)
        if last is None or free_before[p] != last[p] or release.free[p] != last[p]
    ]
    demand(JCS(doc["seats"]) == JCS(seats), "the seats are not those of the draw")

    doc = lines.next("digest", "digest", "transcript_sha256")
    sha256 = lines.before.hexdigest()
    demand(doc["transcript_sha256"] == sha256, "transcript_sha256 is not %s" % sha256)
    record = {
        "beacon": beacon["beacon"],
        "release": release.name,
        "round": n,
        "seal": seal,
        "seed": seed.hex(),
        "since": since,
        "transcript_sha256": sha256,
        "trust": trust,
    }
    digest = H(JCS(record))
    demand(doc["digest"] == digest.hex(), "the digest is not %s" % digest.hex())
    digest_line = lines.number
    lines.end()

    release.next_round, release.previous = n + 1, digest
    release.free_after_last = list(release.free)
    new = range(claims.first, len(release.sizes))
    release.waiting = [i for i in release.waiting if release.state[i] == WAITS]
    release.waiting += [i for i in new if release.state[i] == WAITS]
    release.displaced = [i for i in release.displaced if release.state[i] == DISPLACED]
    place = release.number_of.get(watched, -1) - claims.first
    return release, {
        "round": n,
        "file": lines.path,
        "entries": seal["count"],
        "served": offered + seated,
        "digest": digest.hex(),
        "digest_line": digest_line,
        "seal": seal,
        "watched_leaf": claims.leaf(place).hex() if place >= 0 else None,
    }


def compare_offers(release, lines):
    """Goes to the line after the offers. -> how many belong there, and what is wrong with them."""
    expected = []
    for i, pool in draw_earlier(release):
        slot, name, _ = release.pools[pool]
        doc = {"entry": base64url(release.id_of(i)), "kind": "offer", "pool": name, "slot": slot}
        expected.append(JCS(doc))
    found, wrong = 0, None
    lines.advance()
    while found < len(expected) and lines.line == expected[found]:
        found += 1
        lines.advance()
    if found < len(expected):
        wrong = Refused("here belongs " + expected[found].decode(), lines.number)
    elif lines.is_offer():
        wrong = Refused("nobody else of an earlier round gets seats", lines.number)
    while lines.is_offer():
        lines.advance()
    return found, wrong


def read_entries(release, n, count, lines, progress):
    """The current line and those after it. Goes to the line after the entries, whatever it is."""
    claims = Claims(len(release.sizes))
    for place in range(count):
        read_entry_line(release, lines.document("entry"), claims, lines.line)
        progress("round %d: %d entries read", n, place)
        lines.advance()
    return claims


def root_of(release, claims):
    count = len(claims.pools)
    by_id = sorted(range(count), key=lambda place: release.id_of(claims.first + place))
    return merkle_root(map(claims.leaf, by_id)).hex()


def compare_entries(release, n, seed, claims, line, progress):
    """Keys, their order, and the draw of the new entries. -> how many got seats."""
    count, first, rank = len(claims.pools), claims.first, tag("rank") + seed
    keys = [H(rank, release.id_of(first + place)) for place in range(count)]
    # The first place with an entry that does not belong there. Ids settle equal keys.
    wrong = count
    if not ascending(keys):
        order = sorted(range(count), key=lambda place: (keys[place], release.id_of(first + place)))
        wrong = next((place for place in range(count) if order[place] != place), count)
    given = 0
    for place in range(count):
        if place == wrong:
            other = base64url(release.id_of(first + order[place]))
            raise Refused("another entry comes first: %s" % other, line + place)
        if claims.keys[32 * place : 32 * place + 32] != keys[place]:
            raise Refused("the key is not %s" % keys[place].hex(), line + place)
        pool = give_seats(release, first + place)
        if claims.pools[place] != (-1 if pool is None else pool):
            does = "waits" if pool is None else "gets seats of %s, %s" % release.pools[pool][:2]
            raise Refused("the entry %s" % printable(does), line + place)
        given += pool is not None
        progress("round %d: %d entries drawn", n, place)
    return given


# --- Receipts and proofs ----------------------------------------------------------------------


def thumbprint(x):
    """RFC 7638, of an Ed25519 key."""
    return base64url(H(JCS({"crv": "Ed25519", "kty": "OKP", "x": x})))


RECEIPT = ("entry", "issued_at", "kid", "leaf", "manifest_hash", "release", "signature")
EVIDENCE = "If its owner neither edited nor withdrew it, this is evidence against the operator"
PROOF = ("count", "entry", "index", "leaf", "path", "release", "root", "round")


def read_document(path):
    """A receipt, a proof or a seal: canonical, but for a byte order mark and white space."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_LINE + 1)
    except OSError as error:
        raise Unusable("%s: %s" % (path, error.strerror or error)) from None
    demand(len(data) <= MAX_LINE, "is longer than 16 MiB: this verifier stops there")
    data = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    doc = parse(data)
    tight = re.sub(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', rb"\1", data)
    demand(tight == JCS(doc), "is not canonical JSON, apart from white space")
    return doc


def check_receipt(receipt):
    """Its form, which needs no manifest. Whether a round can hold it is asked when it is signed."""
    demand(has_members(receipt, *RECEIPT), "is not a receipt: {%s}" % ", ".join(RECEIPT))
    entry = receipt["entry"]
    fits = has_members(entry, "cats", "entry", "prefs", "size") and type(entry["size"]) is int
    fits = fits and isinstance(entry["cats"], list) and isinstance(entry["prefs"], list)
    texts = [entry["entry"], *entry["cats"], *entry["prefs"]] if fits else [None]
    demand(all(isinstance(text, str) for text in texts), "its entry is not of the form of an entry")
    milliseconds(receipt["issued_at"], "issued_at")
    demand(is_hex(receipt["leaf"], 32), "the leaf is not a hash")


def check_leaf(receipt):
    leaf = leaf_of(JCS(receipt["entry"])).hex()
    demand(receipt["leaf"] == leaf, "the leaf is not that of the entry, %s" % leaf)


def check_signature(release, kind, document, signature):
    key, signature = release.manifest["receipt_key"]["x"], unbase64url(signature, 64)
    demand(signature is not None, "the signature is not 64 bytes in base64url")
    fits = ed25519_verify(unbase64url(key, 32), tag(kind) + JCS(document), signature)
    demand(fits, "the signature is not one of the manifest's receipt_key")


def check_signed_receipt(receipt, release, rounds):
    """With all rounds that were given. -> the one that the entry is in, if it is among them."""
    demand(receipt["release"] == release.name, "is for release %s" % short(receipt["release"]))
    manifest_hash = release.manifest_hash.hex()
    demand(receipt["manifest_hash"] == manifest_hash, "manifest_hash is not %s" % manifest_hash)
    kid = release.manifest["receipt_key"]["kid"]
    demand(receipt["kid"] == kid, "the kid is not that of the manifest's receipt_key")
    signed = {name: receipt[name] for name in RECEIPT if name != "signature"}
    check_signature(release, "receipt", signed, receipt["signature"])
    try:
        check_leaf(receipt)
        read_entry(release, receipt["entry"])
    except Refused as refused:
        sentence = "is signed, and no round can hold it: %s. This is evidence against the operator"
        raise Refused(sentence % refused.reason) from None
    after = [one for one in rounds if one["seal"]["cut_at"] >= receipt["issued_at"]]
    if not after:
        return None
    first, later = after[0], [one for one in after[1:] if one["watched_leaf"]]
    sentence = "the entry is not in round %d with this leaf" % first["round"]
    if later and not first["watched_leaf"]:
        sentence += ", but put off to round %d" % later[0]["round"]
    demand(first["watched_leaf"] == receipt["leaf"], sentence + ". " + EVIDENCE)
    return first["round"]


def check_signed_seal(shown, release, rounds):
    """An answer of `GET …/rounds/{n}`: only its seal and the signature are looked at."""
    seal = shown.get("seal")
    fits = isinstance(seal, dict) and is_integer(seal.get("round"), 0)
    demand(fits and isinstance(shown.get("signature"), str), "is not a signed seal")
    demand(seal.get("release") == release.name, "is for release %s" % short(seal.get("release")))
    check_signature(release, "seal", seal, shown["signature"])
    demand(seal["round"] < len(rounds), "is of round %d, which is not given" % seal["round"])
    differs = "the files hold another seal of round %d. This is evidence against the operator"
    demand(JCS(seal) == JCS(rounds[seal["round"]]["seal"]), differs % seal["round"])


def check_proof(proof, receipt, release, rounds):
    """RFC 9162, 2.1.3.2, and that it is about what was given."""
    demand(has_members(proof, *PROOF), "is not a proof: {%s}" % ", ".join(PROOF))
    demand(is_integer(proof["count"], 1, MAX_ENTRIES), "the count is no number of entries")
    demand(is_integer(proof["index"], 0, proof["count"] - 1), "the index is not below the count")
    demand(is_integer(proof["round"], 0, 2**32 - 1), "the round is no number of a round")
    demand(isinstance(proof["path"], list), "the path is not a list")
    for value in [proof["leaf"], proof["root"], *proof["path"]]:
        demand(is_hex(value, 32), "leaf, root or path is not of hashes")
    id_bytes(proof["entry"])

    node, fn, sn = bytes.fromhex(proof["leaf"]), proof["index"], proof["count"] - 1
    for text in proof["path"]:
        neighbour = bytes.fromhex(text)
        demand(sn > 0, "the path is too long")
        if fn % 2 == 1 or fn == sn:
            node = H(b"\1", neighbour, node)
            while fn % 2 == 0 and fn > 0:
                fn, sn = fn // 2, sn // 2
        else:
            node = H(b"\1", node, neighbour)
        fn, sn = fn // 2, sn // 2
    demand(sn == 0, "the path is too short")
    demand(node.hex() == proof["root"], "leaf and path do not lead to the root")

    if receipt:
        fits = proof["entry"] == receipt["entry"]["entry"]
        demand(fits, "the proof is not of the receipt's entry")
        demand(proof["release"] == receipt["release"], "the proof is not of the receipt's release")
        demand(proof["leaf"] == receipt["leaf"], "the proof does not have the receipt's leaf")
    if release:
        demand(proof["release"] == release.name, "is for release %s" % short(proof["release"]))
        demand(proof["round"] < len(rounds), "is of round %d, which is not given" % proof["round"])
        seal = rounds[proof["round"]]["seal"]
        demand(proof["root"] == seal["root"], "the root is not that of the seal")
        demand(proof["count"] == seal["count"], "the count is not that of the seal")
        leaf = rounds[proof["round"]]["watched_leaf"]
        demand(proof["leaf"] == leaf, "the entry is not in that round with this leaf")


# --- Result files -----------------------------------------------------------------------------

RESULT = ("digest", "offered", "prefix", "release", "round", "waiting")


def check_result(result):
    """Its form, which needs no rounds."""
    demand(has_members(result, *RESULT), "is not a result file: {%s}" % ", ".join(RESULT))
    prefix, offered, waiting = result["prefix"], result["offered"], result["waiting"]
    fits = isinstance(prefix, str) and re.fullmatch("[01]{1,24}", prefix)
    demand(fits, "the prefix is not 1 to 24 of 0 and 1")
    demand(is_integer(result["round"], 0), "the round is no number of a round")
    demand(isinstance(offered, list) and isinstance(waiting, list), "offered or waiting is no list")
    for offer in offered:
        demand(has_members(offer, "entry", "pool", "slot"), "an offer is not {entry, pool, slot}")
    lists = {"offered": [offer["entry"] for offer in offered], "waiting": waiting}
    for name, entries in lists.items():
        ids = [id_bytes(entry) for entry in entries]
        demand(ascending(ids), "%s does not ascend by entry id" % name)
        for entry, data in zip(entries, ids):
            fits = first_bits(data).startswith(prefix)
            demand(fits, "entry %s does not begin with %s: it is of another file" % (entry, prefix))
    for entry in {*waiting} & {*lists["offered"]}:
        raise Refused("entry %s is in both lists" % entry)


def first_bits(entry):
    return format(int.from_bytes(entry[:3], "big"), "024b")


def given_by(release, n, count, prefixes):
    """What round n, the last so far, gave: by prefix and id, [slot, pool] or None for who waits."""
    given = {prefix: {} for prefix in prefixes}
    lengths = {len(prefix) for prefix in prefixes}
    entries = len(release.sizes) if given else 0
    for i in range(entries):
        seated = release.state[i] == HOLDS and release.seated_in[i] == n
        if not seated and i < entries - count:
            continue
        entry, seat = release.id_of(i), None
        if seated:
            seat = list(release.pools[release.pool_held[i]][:2])
        bits = first_bits(entry)
        for length in lengths:
            if bits[:length] in given:
                given[bits[:length]][base64url(entry)] = seat
    return given


def compare_result(result, release, rounds):
    demand(result["release"] == release.name, "is of release %s" % short(result["release"]))
    n = result["round"]
    demand(n < len(rounds), "is of round %d, which is not given" % n)
    digest = rounds[n]["digest"]
    demand(result["digest"] == digest, "its digest is not that of round %d, %s" % (n, digest))
    said = {offer["entry"]: [offer["slot"], offer["pool"]] for offer in result["offered"]}
    said.update((entry, None) for entry in result["waiting"])
    given = rounds[n]["given"][result["prefix"]]

    def does(seat):
        return "waits" if seat is None else "gets seats of %s, %s" % tuple(map(short, seat))

    for entry in sorted({*said, *given}, key=id_bytes):
        demand(entry in given, "entry %s is here, but not in round %d" % (entry, n))
        does_so = "entry %s %s in round %d" % (entry, does(given[entry]), n)
        demand(entry in said, does_so + ", and is missing here")
        demand(said[entry] == given[entry], does_so + ", but here it " + does(said[entry]))


# --- Signatures -------------------------------------------------------------------------------

# Ed25519, after RFC 8032, 5.1. Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x * y = T/Z.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_multiply(k, p):
    q = NEUTRAL
    while k > 0:
        if k & 1:
            q = point_add(q, p)
        p, k = point_add(p, p), k >> 1
    return q


def point_equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point_decode(data):
    """None for what is no point, or is not written in the one way."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x_squared, (P + 3) // 8, P)
    if (x * x - x_squared) % P != 0:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - x_squared) % P != 0 or (x == 0 and sign):
        return None
    if x % 2 != sign:
        x = P - x
    return x, y, 1, x * y % P


def has_prime_order(point):
    """Of other points, one signature can be right in one program and wrong in the next."""
    return point is not None and point_equal(point_multiply(L, point), NEUTRAL) and point[0] != 0


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(public_key, message, signature):
    """RFC 8032, 5.1.7, without the cofactor."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r = point_decode(public_key), point_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if not has_prime_order(a) or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    return point_equal(point_multiply(s, BASE), point_add(r, point_multiply(k, a)))


# --- The program ------------------------------------------------------------------------------


def verify(options, progress, at):
    """-> the report. `at` is kept at the file and the line that a refusal would be about."""
    receipt, watched, proof, seal = None, None, None, None
    if options.receipt:
        at.file, at.lines = options.receipt, None
        receipt = read_document(options.receipt)
        check_receipt(receipt)
        watched = receipt["entry"]["entry"]
        if not options.files:
            check_leaf(receipt)
    if options.proof:
        at.file, at.lines = options.proof, None
        proof = read_document(options.proof)
        check_proof(proof, receipt, None, [])
        watched = proof["entry"]
    if options.seal:
        at.file, at.lines = options.seal, None
        seal = read_document(options.seal)
    watched = id_bytes(watched) if watched and ENTRY_ID.fullmatch(watched) else None
    results = []
    for path in options.result:
        at.file, at.lines = path, None
        results.append((path, read_document(path)))
        check_result(results[-1][1])

    release, rounds = None, []
    for path, named in in_order(options.files):
        longest = MAX_LINE + 32 * (len(release.number_of) if release else 0)
        at.file, at.lines = path, Lines(path, longest)
        try:
            release, one = verify_round(at.lines, release, progress, watched)
        except Refused as refused:
            if named is not None and named != len(rounds):
                sentence = " (round %d belongs here; the file's seal names round %d)"
                refused.reason += sentence % (len(rounds), named)
            raise
        n = one["round"]  # what it gave must be kept now: later rounds move on
        prefixes = {result["prefix"] for _, result in results if result["round"] == n}
        one["given"] = given_by(release, n, one["entries"], prefixes)
        rounds.append(one)
        if not options.json:
            sentence = "round %(round)d: %(entries)d new entries, %(served)d entries got seats, "
            print((sentence + "digest %(digest)s") % one)
    if options.digest and options.digest != rounds[-1]["digest"]:
        raise Refused("the digest is not %s" % options.digest, rounds[-1]["digest_line"])

    for path, result in results:
        at.file, at.lines = path, None
        compare_result(result, release, rounds)
    in_round = None
    if receipt and release:
        at.file, at.lines = options.receipt, None
        in_round = check_signed_receipt(receipt, release, rounds)
    if proof and release:
        at.file, at.lines = options.proof, None
        check_proof(proof, receipt, release, rounds)
    if seal:
        at.file, at.lines = options.seal, None
        check_signed_seal(seal, release, rounds)
    return report(options, release, rounds, receipt, proof, seal, results, in_round)


def report(options, release, rounds, receipt, proof, seal, results, in_round):
    checked, not_checked, trust = [], [], None
    if release:
        beacon = release.manifest["beacon"]
        trust = trust_of(beacon)
        checked += ["every line of %d rounds, byte for byte" % len(rounds)]
        checked += ["manifest, events, seals, seeds, leaves, keys, order, draw, seats and digests"]
        checked += ["no list was fixed before the value of the round before it"]
        checked += ["no offer expired before its time"]
        if beacon["kind"] == "hash-chain":
            checked += ["the beacon's values hash to those before, the first to the anchor"]
        else:
            checked += ["the beacon's values are of the drand rounds that the seals had to name"]
            not_checked += [
                "the BLS signature of the drand value was not checked here: "
                "another verifier does that, or compare the value with what the network publishes"
            ]
            not_checked += [
                "that the seals are older than their values: "
                "compare them with some that were fetched in time, --seal"
            ]
            if beacon["chain"] == QUICKNET["chain"]:
                checked += ["the drand chain is quicknet, with its public key"]
            else:
                sentence = "this verifier cannot know whose network the drand chain %s is"
                not_checked += [sentence % beacon["chain"]]
        if options.digest:
            checked += ["the last digest is the one given"]
        else:
            not_checked += ["the last digest: compare it with one from elsewhere"]
    if receipt:
        checked += ["the receipt's leaf is that of its entry"]
        if release:
            checked += ["the receipt's signature, by the manifest's receipt_key"]
        if in_round is not None:
            checked += ["the receipt's entry is in round %d" % in_round]
        elif release:
            sentence = "that a round has the receipt's entry: no list here was fixed after it was "
            not_checked += [sentence + "issued; fetch a later round"]
        else:
            not_checked += ["the receipt's signature: its key stands in the manifest, in round 0"]
    if proof:
        checked += ["the proof leads from the leaf to the root of round %d" % proof["round"]]
        if not release:
            sentence = "that the seal of round %d has the root %s"
            not_checked += [sentence % (proof["round"], proof["root"])]
    if seal:
        sentence = "the operator signed the seal of round %d, and the files hold this very seal"
        checked += [sentence % seal["seal"]["round"]]
    for path, result in results:
        sentence = "%s says what round %d gave to entries that begin with %s: %d got seats, %d wait"
        counts = (len(result["offered"]), len(result["waiting"]))
        checked += [sentence % (path, result["round"], result["prefix"], *counts)]
    shown = ("round", "file", "entries", "served", "digest")
    return {
        "accepted": True if release and (in_round is not None or not receipt) else None,
        "release": release.name if release else receipt["release"],
        "manifestHash": release.manifest_hash.hex() if release else receipt["manifest_hash"],
        "rounds": [{name: one[name] for name in shown} for one in rounds],
        "digest": rounds[-1]["digest"] if rounds else None,
        "checked": checked,
        "notChecked": not_checked,
        "trust": trust,
    }


class Progress:
    """Says on stderr how far it is, every two seconds."""

    def __init__(self, wanted):
        self.wanted, self.calls, self.last = wanted, 0, time.monotonic()

    def __call__(self, sentence, *values):
        self.calls += 1
        if self.wanted and self.calls % 1000 == 0 and time.monotonic() > self.last + 2:
            self.last = time.monotonic()
            print(sentence % values, file=sys.stderr)


class At:
    file, lines = None, None

    def line(self):
        return max(1, self.lines.number) if self.lines else 1


def read_options(arguments):
    parser = argparse.ArgumentParser(
        description="Verifies the draw of a fairslot release from its published transcripts.",
        epilog="Exit status: 0 accepted, 1 refused, 2 asked in a wrong way, 3 nothing is wrong, "
        "but the round that counts is missing.",
    )
    option = parser.add_argument
    option("files", metavar="FILE", nargs="*", help="the transcripts from round 0 on, in any order")
    option("--digest", metavar="HEX", help="what the digest of the last round must be")
    option("--receipt", metavar="FILE", help="a receipt whose entry must be in one of the rounds")
    option("--proof", metavar="FILE", help="where the entry hangs in its round's Merkle tree")
    option("--seal", metavar="FILE", help="a signed seal, which must be the one of its round")
    what = "result files, after the transcripts, which must say what their rounds gave"
    option("--result", metavar="FILE", nargs="+", action="extend", default=[], help=what)
    option("--json", action="store_true", help="one JSON object on standard output")
    option("--progress", action="store_true", help="say how far it is, on a terminal or not")
    options = parser.parse_args(arguments)
    if options.digest is not None:
        options.digest = options.digest.lower()
        if not is_hex(options.digest, 32):
            parser.error("--digest wants 64 hexadecimal digits")
    if not options.files and (options.digest or options.seal or options.result):
        parser.error("--digest, --seal and --result need the transcripts")
    if not options.files and not (options.receipt and options.proof):
        parser.error("give the transcripts, or a receipt and its proof")
    for path in [*options.files, options.receipt, options.proof, options.seal, *options.result]:
        if path is not None and not os.path.isfile(path):
            what = "is not a regular file" if os.path.exists(path) else "there is no such file"
            parser.error("%s: %s" % (printable(path), what))
    return options


def main(arguments):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    options = read_options(arguments)
    progress, at = Progress(options.progress or sys.stderr.isatty()), At()
    try:
        result = verify(options, progress, at)
    except Refused as refused:
        return refuse(options, at, refused.line or at.line(), refused.reason)
    except (MemoryError, RecursionError):
        return refuse(options, at, at.line(), "asks for more memory than this verifier has")
    except Unusable as unusable:
        print(printable("error: %s" % unusable), file=sys.stderr)
        return 2
    status = 0 if result["accepted"] else 3
    if options.json:
        print(json.dumps(result))
        return status
    print("release %s, manifest_hash %s" % (printable(result["release"]), result["manifestHash"]))
    for title, sentences in (("checked", result["checked"]), ("NOT checked", result["notChecked"])):
        for sentence in sentences:
            print("%s: %s" % (title, printable(sentence)))
    if result["trust"]:
        print("trust: %s" % result["trust"])
    verdict = "ACCEPTED" if result["accepted"] else "INCOMPLETE"
    print(verdict + (", digest %s" % result["digest"] if result["digest"] else ""))
    return status


def refuse(options, at, line, reason):
    if options.json:
        print(json.dumps({"accepted": False, "file": at.file, "line": line, "reason": reason}))
    print("REFUSED %s line %d: %s" % (printable(at.file), line, printable(reason)), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
