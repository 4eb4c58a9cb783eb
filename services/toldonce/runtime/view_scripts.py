"""The scripts behind the views of open cases, each in Lua and in Python.

A tenant's view is one generation of keys, named by the pointer: `meta` (log, position, at, count of
stories), `stories` (customer -> row of OPEN), `index` (customer -> the lists it stands in, as lines
`key member score`) and the lists themselves, sorted sets. A change is applied only on its exact
predecessor; everything else is answered with what stands there, and nothing is changed.
"""

from collections.abc import Sequence
from typing import Any

from toldonce.runtime.store import Script, State

BUILDING = "building"
BAND = 2**42  # milliseconds; a priority's band in the order of a queue (until the year 2109)


def _put_rows(state: State, keys: Sequence[str], rows: Sequence[bytes]) -> int:
    """Replace rows (customer, value or nothing, index) and the places they have in lists."""
    stories, index, lists = keys
    for customer, value, places in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        for line in (state.call("HGET", index, customer) or b"").splitlines():
            key, member, _ = line.split()
            state.call("ZREM", key.decode(), member)
        if value:
            state.call("HSET", stories, customer, value)
            state.call("HSET", index, customer, places)
            for line in places.splitlines():
                key, member, score = line.split()
                state.call("ZADD", key.decode(), score, member)
                state.call("SADD", lists, key)
        else:
            state.call("HDEL", stories, customer)
            state.call("HDEL", index, customer)
    return int(state.call("HLEN", stories))


_PUT_ROWS = """
local function put_rows(stories, index, lists, first)
  for i = first, #ARGV, 3 do
    local customer, value, places = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local old = redis.call('HGET', index, customer)
    if old then
      for key, member in string.gmatch(old, '(%S+) (%S+) %S+') do
        redis.call('ZREM', key, member)
      end
    end
    if value ~= '' then
      redis.call('HSET', stories, customer, value)
      redis.call('HSET', index, customer, places)
      for key, member, score in string.gmatch(places, '(%S+) (%S+) (%S+)') do
        redis.call('ZADD', key, score, member)
        redis.call('SADD', lists, key)
      end
    else
      redis.call('HDEL', stories, customer)
      redis.call('HDEL', index, customer)
    end
  end
  return redis.call('HLEN', stories)
end
"""


def _apply(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    pointer, meta, *rest = keys
    generation, log, prev, position, at = args[:5]
    if state.call("GET", pointer) != generation:
        return [b"moved", state.call("GET", pointer) or b""]
    stored, its_log, count = state.call("HMGET", meta, "position", "log", "count")
    if its_log != log or count != b"%d" % state.call("HLEN", rest[0]):
        return [b"gone", b""]
    if stored != prev:
        return [b"other", stored]
    count = _put_rows(state, rest, args[5:])
    state.call("HSET", meta, "position", position, "at", at, "count", count)
    return [b"ok", position]


APPLY = Script(
    name="apply a view's exact successor",
    lua=_PUT_ROWS
    + """
local generation, log, prev, position, at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local live = redis.call('GET', KEYS[1])
if live ~= generation then return {'moved', live or ''} end
local meta = redis.call('HMGET', KEYS[2], 'position', 'log', 'count')
if meta[2] ~= log or meta[3] ~= tostring(redis.call('HLEN', KEYS[3])) then return {'gone', ''} end
if meta[1] ~= prev then return {'other', meta[1]} end
local count = put_rows(KEYS[3], KEYS[4], KEYS[5], 6)
redis.call('HSET', KEYS[2], 'position', position, 'at', at, 'count', count)
return {'ok', position}
""",
    python=_apply,
)
"""KEYS pointer, meta, stories, index, lists; ARGV generation, log, prev, position, at, rows."""


def _begin(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    old, meta = keys
    generation, log, give_up_at = args
    state.call("HSET", meta, "position", BUILDING, "log", log, "count", 0, "at", 0)
    state.call("ZADD", old, give_up_at, generation)
    return [b"ok", b""]


BEGIN = Script(
    name="begin a generation",
    lua="""
redis.call('HSET', KEYS[2], 'position', 'building', 'log', ARGV[2], 'count', 0, 'at', 0)
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return {'ok', ''}
""",
    python=_begin,
)
"""KEYS old, meta; ARGV generation, log, give up at (ms)."""


def _fill(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    old, meta, *rest = keys
    generation, give_up_at = args[:2]
    if state.call("HGET", meta, "position") != BUILDING.encode():
        return [b"gone", b""]
    state.call("HSET", meta, "count", _put_rows(state, rest, args[2:]))
    state.call("ZADD", old, give_up_at, generation)
    return [b"ok", b""]


FILL = Script(
    name="fill a generation",
    lua=_PUT_ROWS
    + """
if redis.call('HGET', KEYS[2], 'position') ~= 'building' then return {'gone', ''} end
redis.call('HSET', KEYS[2], 'count', put_rows(KEYS[3], KEYS[4], KEYS[5], 3))
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return {'ok', ''}
""",
    python=_fill,
)
"""KEYS old, meta, stories, index, lists; ARGV generation, give up at (ms), rows."""


def _flip(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    pointer, old, meta = keys
    before, generation, position, at, now = args
    live = state.call("GET", pointer) or b""
    if live != before:
        return [b"moved", live]
    if state.call("HGET", meta, "position") != BUILDING.encode():
        return [b"gone", b""]
    state.call("HSET", meta, "position", position, "at", at)
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
if redis.call('HGET', KEYS[3], 'position') ~= 'building' then return {'gone', ''} end
redis.call('HSET', KEYS[3], 'position', ARGV[3], 'at', ARGV[4])
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
if live ~= '' then redis.call('ZADD', KEYS[2], ARGV[5], live) end
return {'ok', ARGV[3]}
""",
    python=_flip,
)
"""KEYS pointer, old, meta; ARGV live generation so far, generation, position, at, now (ms)."""


def _header(state: State, keys: Sequence[str], args: Sequence[bytes]) -> list[Any]:
    """Say whether this generation may be read: `ok`, its position and until when it is complete."""
    pointer, meta, stories = keys[:3]
    live = state.call("GET", pointer) or b""
    if live != args[0]:
        return [b"moved", live, b""]
    position, at, count = state.call("HMGET", meta, "position", "at", "count")
    if count != b"%d" % state.call("HLEN", stories):
        return [b"gone", b"", b""]
    return [b"ok", position, at]


_HEADER = """
local live = redis.call('GET', KEYS[1]) or ''
if live ~= ARGV[1] then return {'moved', live, ''} end
local meta = redis.call('HMGET', KEYS[2], 'position', 'at', 'count')
if meta[3] ~= tostring(redis.call('HLEN', KEYS[3])) then return {'gone', '', ''} end
local answer = {'ok', meta[1], meta[2]}
"""


def _page(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    answer = _header(state, keys, args)
    if answer[0] != b"ok":
        return answer
    stories, listing = keys[2:4]
    after, score, wanted = args[1], args[2], int(args[3])
    start = 0
    if after:
        rank = state.call("ZRANK", listing, after)
        start = rank + 1 if rank is not None else state.call("ZCOUNT", listing, "-inf", score)
    found = state.call("ZRANGE", listing, start, start + wanted - 1, "WITHSCORES")
    for member, place in zip(found[::2], found[1::2], strict=True):
        answer += [member, place, state.call("HGET", stories, member[:26]) or b""]
    return answer


PAGE = Script(
    name="read a page of a list",
    lua=_HEADER
    + """
local start = 0
if ARGV[2] ~= '' then
  local rank = redis.call('ZRANK', KEYS[4], ARGV[2])
  if rank then start = rank + 1 else start = redis.call('ZCOUNT', KEYS[4], '-inf', ARGV[3]) end
end
local found = redis.call('ZRANGE', KEYS[4], start, start + ARGV[4] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[3], string.sub(found[i], 1, 26)) or ''
end
return answer
""",
    python=_page,
)
"""KEYS pointer, meta, stories, list; ARGV generation, last member seen, its score, how many."""


def _story(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    answer = _header(state, keys, args)
    if answer[0] == b"ok":
        answer.append(state.call("HGET", keys[2], args[1]) or b"")
    return answer


STORY = Script(
    name="read one story of a view",
    lua=_HEADER
    + """
answer[4] = redis.call('HGET', KEYS[3], ARGV[2]) or ''
return answer
""",
    python=_story,
)
"""KEYS pointer, meta, stories; ARGV generation, customer."""


def _queue(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    answer = _header(state, keys, args)
    if answer[0] != b"ok":
        return answer
    waiting, offered = keys[3:5]
    rank = state.call("ZRANK", waiting, args[1])
    answer += [-1 if rank is None else rank, state.call("ZCARD", offered)]
    band = 0
    while True:
        first = state.call(
            "ZRANGEBYSCORE", waiting, band * BAND, "+inf", "WITHSCORES", "LIMIT", 0, 1
        )
        if not first:
            return answer
        score = int(float(first[1]))
        band = score // BAND
        low, high = band * BAND, (band + 1) * BAND
        count = state.call("ZCOUNT", waiting, low, f"({high}")
        answer += [b"%d" % band, count, b"%d" % (score - low)]
        band += 1


QUEUE = Script(
    name="read how a queue stands",
    lua=_HEADER
    + f"""
local band_size = {BAND}
"""
    + """
answer[4] = redis.call('ZRANK', KEYS[4], ARGV[2]) or -1
answer[5] = redis.call('ZCARD', KEYS[5])
local band = 0
while true do
  local from = string.format('%.0f', band * band_size)
  local first = redis.call('ZRANGEBYSCORE', KEYS[4], from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if #first == 0 then return answer end
  local score = tonumber(first[2])
  band = math.floor(score / band_size)
  local low, high = band * band_size, (band + 1) * band_size
  local count = redis.call('ZCOUNT', KEYS[4], string.format('%.0f', low),
    '(' .. string.format('%.0f', high))
  answer[#answer + 1] = string.format('%.0f', band)
  answer[#answer + 1] = count
  answer[#answer + 1] = string.format('%.0f', score - low)
  band = band + 1
end
""",
    python=_queue,
)
"""KEYS pointer, meta, stories, waiting, offered; ARGV generation, a member to find (or nothing).

After the header: rank of the member or -1, how many are offered, then for each band of priority
(most urgent first) its number, how many wait in it, and since when (ms) the oldest.
"""

SCRIPTS = (APPLY, BEGIN, FILL, FLIP, PAGE, STORY, QUEUE)
