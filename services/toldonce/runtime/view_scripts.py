"""The scripts that write the views of open cases, each in Lua and in Python.

A tenant's view is one generation of keys, named by the pointer: `meta` (log, position, ahead, at,
how many stories and lists), `stories` (customer -> row of OPEN), `index` (customer -> the lists it
stands in, as lines `list own score`), the lists themselves, sorted sets of `customer + own`, and
`lists` (how many stand in each). A change is applied only on its exact predecessor; everything else
is answered with what stands there, and nothing is changed. `ahead` is how new the newest row may
be: while it is past `position`, rows of different log positions stand side by side and nobody may
read.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from toldonce.runtime.store import Script, State

BUILDING = "building"
CUSTOMER_CHARS = 26
PREFIX_OF = "stories"  # a key of a generation is the key of its stories with this replaced


def row(customer: str, places: bytes, value: bytes) -> bytes:
    """Write a row for these scripts; without a value the story goes."""
    return b"%s%s\0%s" % (customer.encode(), places, value)


def _put_rows(state: State, keys: Sequence[str], rows: Sequence[bytes]) -> None:
    """Replace rows and the places they have in lists; note how many there are of each."""
    meta, stories, index, lists = keys
    prefix = stories[: -len(PREFIX_OF)]
    grown: Counter[bytes] = Counter()
    for one in rows:
        customer = one[:CUSTOMER_CHARS]
        places, _, value = one[CUSTOMER_CHARS:].partition(b"\0")
        for line in (state.call("HGET", index, customer) or b"").splitlines():
            name, own, _ = line.split()
            grown[name] -= state.call("ZREM", prefix + name.decode(), customer + own)
        if value:
            state.call("HSET", stories, customer, value)
            state.call("HSET", index, customer, places)
            for line in places.splitlines():
                name, own, score = line.split()
                grown[name] += state.call("ZADD", prefix + name.decode(), score, customer + own)
        else:
            state.call("HDEL", stories, customer)
            state.call("HDEL", index, customer)
    for name, by in grown.items():
        if by:
            state.call("HINCRBY", lists, name, by)
    state.call("HSET", meta, "count", state.call("HLEN", stories))
    state.call("HSET", meta, "lists", state.call("HLEN", lists))


_PUT_ROWS = """
local function put_rows(meta, stories, index, lists, first)
  local prefix, grown = string.sub(stories, 1, -8), {}
  local values, spots, adds = {}, {}, {}
  local function flush()
    if #values > 0 then
      redis.call('HSET', stories, unpack(values))
      redis.call('HSET', index, unpack(spots))
    end
    for name, members in pairs(adds) do
      local added = redis.call('ZADD', prefix .. name, unpack(members))
      grown[name] = (grown[name] or 0) + added
    end
    values, spots, adds = {}, {}, {}
  end
  for from = first, #ARGV, 100 do
    local to = math.min(from + 99, #ARGV)
    local who, seen = {}, {}
    for i = from, to do who[#who + 1] = string.sub(ARGV[i], 1, 26) end
    local olds = redis.call('HMGET', index, unpack(who))
    for i = from, to do
      local row, customer, old = ARGV[i], who[i - from + 1], olds[i - from + 1]
      if seen[customer] then
        flush()
        old = redis.call('HGET', index, customer)
      end
      seen[customer] = true
      local cut = string.find(row, '\\0', 27, true)
      local places, value = string.sub(row, 27, cut - 1), string.sub(row, cut + 1)
      if old then
        for name, own in string.gmatch(old, '(%S+) (%S+) %S+') do
          local gone = redis.call('ZREM', prefix .. name, customer .. own)
          grown[name] = (grown[name] or 0) - gone
        end
      end
      if value ~= '' then
        values[#values + 1], spots[#spots + 1] = customer, customer
        values[#values + 1], spots[#spots + 1] = value, places
        for name, own, score in string.gmatch(places, '(%S+) (%S+) (%S+)') do
          local members = adds[name] or {}
          members[#members + 1] = score
          members[#members + 1] = customer .. own
          adds[name] = members
        end
      else
        redis.call('HDEL', stories, customer)
        redis.call('HDEL', index, customer)
      end
    end
    flush()
  end
  for name, by in pairs(grown) do
    if by ~= 0 then redis.call('HINCRBY', lists, name, by) end
  end
  redis.call('HSET', meta, 'count', redis.call('HLEN', stories))
  redis.call('HSET', meta, 'lists', redis.call('HLEN', lists))
end
"""
"""100 rows together: one command for all their values, one a list for their places in it."""


def _apply(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    pointer, meta, *rest = keys
    generation, log, prev, position, ahead, at = args[:6]
    if state.call("GET", pointer) != generation:
        return [b"moved", state.call("GET", pointer) or b""]
    stored, its_log, before = state.call("HMGET", meta, "position", "log", "ahead")
    count, names = state.call("HMGET", meta, "count", "lists")
    held = [b"%d" % state.call("HLEN", key) for key in rest]
    if its_log != log or held != [count, count, names]:
        return [b"gone", b""]
    if stored != prev:
        return [b"other", stored]
    ahead = b"%d" % max(int(before or b"0"), int(ahead))
    _put_rows(state, keys[1:], args[6:])
    state.call("HSET", meta, "position", position, "ahead", ahead, "at", at)
    return [b"ok", position]


APPLY = Script(
    name="apply a view's exact successor",
    lua=_PUT_ROWS
    + """
local generation, log, prev, position, at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local live = redis.call('GET', KEYS[1])
if live ~= generation then return {'moved', live or ''} end
local meta = redis.call('HMGET', KEYS[2], 'position', 'log', 'count', 'ahead', 'lists')
if meta[2] ~= log then return {'gone', ''} end
for k = 3, 5 do
  local held = k == 5 and meta[5] or meta[3]
  if held ~= tostring(redis.call('HLEN', KEYS[k])) then return {'gone', ''} end
end
if meta[1] ~= prev then return {'other', meta[1]} end
local ahead = string.format('%.0f', math.max(tonumber(meta[4] or '0'), tonumber(ARGV[5])))
put_rows(KEYS[2], KEYS[3], KEYS[4], KEYS[5], 7)
redis.call('HSET', KEYS[2], 'position', position, 'ahead', ahead, 'at', at)
return {'ok', position}
""",
    python=_apply,
)
"""KEYS pointer, meta, stories, index, lists; ARGV generation, log, prev, position, how new the rows
and those of the same look may be, at, rows.
"""


def _begin(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    old, meta = keys
    generation, log, give_up_at = args
    state.call("HSET", meta, "position", BUILDING, "log", log, "step", 0)
    state.call("HSET", meta, "count", 0, "lists", 0, "at", 0)
    state.call("ZADD", old, give_up_at, generation)
    return [b"ok", b""]


BEGIN = Script(
    name="begin a generation",
    lua="""
redis.call('HSET', KEYS[2], 'position', 'building', 'log', ARGV[2], 'step', 0)
redis.call('HSET', KEYS[2], 'count', 0, 'lists', 0, 'at', 0)
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return {'ok', ''}
""",
    python=_begin,
)
"""KEYS old, meta; ARGV generation, log, give up at (ms)."""


def _fill(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    old, meta = keys[:2]
    generation, give_up_at, step = args[:3]
    if state.call("HMGET", meta, "position", "step") != [BUILDING.encode(), step]:
        return [b"gone", b""]
    _put_rows(state, keys[1:], args[3:])
    state.call("HINCRBY", meta, "step", 1)
    state.call("ZADD", old, give_up_at, generation)
    return [b"ok", b""]


FILL = Script(
    name="fill a generation",
    lua=_PUT_ROWS
    + """
local meta = redis.call('HMGET', KEYS[2], 'position', 'step')
if meta[1] ~= 'building' or meta[2] ~= ARGV[3] then return {'gone', ''} end
put_rows(KEYS[2], KEYS[3], KEYS[4], KEYS[5], 4)
redis.call('HINCRBY', KEYS[2], 'step', 1)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return {'ok', ''}
""",
    python=_fill,
)
"""KEYS old, meta, stories, index, lists; ARGV generation, give up at (ms), how many fills came
before, rows. A store that went back meanwhile has had fewer.
"""


def _flip(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    pointer, old, meta = keys
    before, generation, position, ahead, at, now, step = args
    live = state.call("GET", pointer) or b""
    if live != before:
        return [b"moved", live]
    if state.call("HMGET", meta, "position", "step") != [BUILDING.encode(), step]:
        return [b"gone", b""]
    state.call("HSET", meta, "position", position, "ahead", ahead, "at", at)
    state.call("SET", pointer, generation)
    state.call("ZREM", old, generation)
    if live:
        state.call("ZADD", old, now, live)
    return [b"ok", position]


FLIP = Script(
    name="make a generation the live one",
    lua="""
local live = redis.call('GET', KEYS[1]) or ''
if live ~= ARGV[1] then return {'moved', live} end
local meta = redis.call('HMGET', KEYS[3], 'position', 'step')
if meta[1] ~= 'building' or meta[2] ~= ARGV[7] then return {'gone', ''} end
redis.call('HSET', KEYS[3], 'position', ARGV[3], 'ahead', ARGV[4], 'at', ARGV[5])
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
if live ~= '' then redis.call('ZADD', KEYS[2], ARGV[6], live) end
return {'ok', ARGV[3]}
""",
    python=_flip,
)
"""KEYS pointer, old, meta; ARGV live generation so far, generation, position, how new its rows may
be, at, now (ms), how many fills came before.
"""
