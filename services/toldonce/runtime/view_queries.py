"""The scripts that read the views of open cases, each in Lua and in Python.

Each begins by looking whether this generation may be read: it is the live one, nothing of it was
lost (it holds as many stories, and as many in each list, as were put there), and all its rows are
of one log position.
"""

from collections.abc import Sequence
from typing import Any

from toldonce.runtime.store import Script, State
from toldonce.runtime.view_scripts import BUILDING, CUSTOMER_CHARS, PREFIX_OF

BAND = 2**42  # milliseconds; a priority's band in the order of a queue (until the year 2109)


def _header(state: State, keys: Sequence[str], args: Sequence[bytes]) -> list[Any]:
    """Say whether this generation may be read: `ok`, its position and until when it is complete."""
    pointer, meta, stories, sizes, *lists = keys
    live = state.call("GET", pointer) or b""
    if live != args[0]:
        return [b"moved", live, b""]
    position, at, ahead = state.call("HMGET", meta, "position", "at", "ahead")
    held = [b"%d" % state.call("HLEN", key) for key in (stories, sizes)]
    if held != state.call("HMGET", meta, "count", "lists"):
        return [b"gone", b"", b""]
    for key in lists:
        name = key[max(0, len(stories) - len(PREFIX_OF)) :]
        if (state.call("HGET", sizes, name) or b"0") != b"%d" % state.call("ZCARD", key):
            return [b"gone", b"", b""]
    if position == BUILDING.encode() or ahead is None:
        return [b"gone", b"", b""]
    if int(ahead) > int(position):
        return [b"torn", position, b""]
    return [b"ok", position, at]


_HEADER = """
local live = redis.call('GET', KEYS[1]) or ''
if live ~= ARGV[1] then return {'moved', live, ''} end
local meta = redis.call('HMGET', KEYS[2], 'position', 'at', 'count', 'ahead', 'lists')
if meta[3] ~= tostring(redis.call('HLEN', KEYS[3])) then return {'gone', '', ''} end
if meta[5] ~= tostring(redis.call('HLEN', KEYS[4])) then return {'gone', '', ''} end
for k = 5, #KEYS do
  local name = string.sub(KEYS[k], math.max(0, #KEYS[3] - 7) + 1)
  local size = redis.call('HGET', KEYS[4], name) or '0'
  if size ~= tostring(redis.call('ZCARD', KEYS[k])) then return {'gone', '', ''} end
end
if meta[1] == 'building' or not meta[4] then return {'gone', '', ''} end
if tonumber(meta[4]) > tonumber(meta[1]) then return {'torn', meta[1], ''} end
local answer = {'ok', meta[1], meta[2]}
"""


CHECK = Script(name="look whether lists are whole", lua=_HEADER + "return answer", python=_header)
"""KEYS pointer, meta, stories, lists, some lists; ARGV generation."""


def _page(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    answer = _header(state, keys, args)
    if answer[0] != b"ok":
        return answer
    stories, listing = keys[2], keys[4]
    after, score, wanted = args[1], args[2], int(args[3])
    start = 0
    if after:
        rank = state.call("ZRANK", listing, after)
        start = rank + 1 if rank is not None else state.call("ZCOUNT", listing, "-inf", score)
    found = state.call("ZRANGE", listing, start, start + wanted - 1, "WITHSCORES")
    for member, place in zip(found[::2], found[1::2], strict=True):
        answer += [member, place, state.call("HGET", stories, member[:CUSTOMER_CHARS]) or b""]
    return answer


PAGE = Script(
    name="read a page of a list",
    lua=_HEADER
    + """
local start = 0
if ARGV[2] ~= '' then
  local rank = redis.call('ZRANK', KEYS[5], ARGV[2])
  if rank then start = rank + 1 else start = redis.call('ZCOUNT', KEYS[5], '-inf', ARGV[3]) end
end
local found = redis.call('ZRANGE', KEYS[5], start, start + ARGV[4] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[3], string.sub(found[i], 1, 26)) or ''
end
return answer
""",
    python=_page,
)
"""KEYS pointer, meta, stories, lists, the list; ARGV generation, last member seen, its score,
how many.
"""


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
"""KEYS pointer, meta, stories, lists; ARGV generation, customer."""


def _queue(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    answer = _header(state, keys, args)
    if answer[0] != b"ok":
        return answer
    waiting, offered = keys[4:6]
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
answer[4] = redis.call('ZRANK', KEYS[5], ARGV[2]) or -1
answer[5] = redis.call('ZCARD', KEYS[6])
local band = 0
while true do
  local from = string.format('%.0f', band * band_size)
  local first = redis.call('ZRANGEBYSCORE', KEYS[5], from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if #first == 0 then return answer end
  local score = tonumber(first[2])
  band = math.floor(score / band_size)
  local low, high = band * band_size, (band + 1) * band_size
  local count = redis.call('ZCOUNT', KEYS[5], string.format('%.0f', low),
    '(' .. string.format('%.0f', high))
  answer[#answer + 1] = string.format('%.0f', band)
  answer[#answer + 1] = count
  answer[#answer + 1] = string.format('%.0f', score - low)
  band = band + 1
end
""",
    python=_queue,
)
"""KEYS pointer, meta, stories, lists, waiting, offered; ARGV generation, a member to find.

After the header: rank of the member or -1, how many are offered, then for each band of priority
(most urgent first) its number, how many wait in it, and since when (ms) the oldest.
"""
