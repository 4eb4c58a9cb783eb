"""The scripts behind the timers, each in Lua and in Python.

`due` is a sorted set of `tenant.customer.timer` by the microsecond it may fire at; `stories` holds
for each story the log sequence and policy revision it was planned from, then its timers with their
instants. A plan replaces a story's timers only when it is newer than the one that stands. Every
plan and claim of a replica names its own last beat: a store that was wiped, or that went back to
an earlier state, does not have it, and says so instead of doing anything.
"""

from collections.abc import Sequence
from typing import Any

from toldonce.runtime.store import Script, State


def _begin(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    generation, beat = keys
    state.call("SET", generation, args[0], "NX")
    state.call("SET", beat, args[1], "PX", args[2])
    return state.call("GET", generation)


BEGIN = Script(
    name="begin to keep timers",
    lua="""
redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.call('GET', KEYS[1])
""",
    python=_begin,
)
"""KEYS generation, beat; ARGV a new generation, first beat, its life (ms). Gives the generation."""


def _beat(state: State, keys: Sequence[str], args: Sequence[bytes]) -> bool:
    """Make one step, or say that the store is not as this replica left it."""
    if state.call("GET", keys[0]) != args[0] or state.call("GET", keys[3]) != args[1]:
        return False
    state.call("SET", keys[3], args[2], "PX", args[3])
    return True


_BEAT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'gone'} end
if redis.call('GET', KEYS[4]) ~= ARGV[2] then return {'gone'} end
redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
"""


def _plan(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    if not _beat(state, keys, args):
        return [b"gone"]
    added = removed = 0
    for plan in args[4:]:
        story, _, line = plan.partition(b" ")
        sequence, revision, *timers = line.split()
        words = (state.call("HGET", keys[2], story) or b"").split()
        if words and (int(sequence), int(revision)) <= (int(words[0]), int(words[1])):
            continue
        stands = dict(zip(words[2::2], words[3::2], strict=True))
        for own, fires in zip(timers[::2], timers[1::2], strict=True):
            if stands.pop(own, None) != fires:
                state.call("ZADD", keys[1], fires, story + b"." + own)
                added += 1
        for own in stands:
            removed += state.call("ZREM", keys[1], story + b"." + own)
        if timers:
            state.call("HSET", keys[2], story, line)
        else:
            state.call("HDEL", keys[2], story)
    return [b"ok", added, removed]


PLAN = Script(
    name="plan the timers of stories",
    lua=_BEAT
    + """
local added, removed = 0, 0
local due, rows = {}, {}
local function flush()
  if #due > 0 then redis.call('ZADD', KEYS[2], unpack(due)) end
  if #rows > 0 then redis.call('HSET', KEYS[3], unpack(rows)) end
  due, rows = {}, {}
end
for from = 5, #ARGV, 100 do
  local to = math.min(from + 99, #ARGV)
  local names, seen = {}, {}
  for i = from, to do names[#names + 1] = string.match(ARGV[i], '^%S+') end
  local olds = redis.call('HMGET', KEYS[3], unpack(names))
  for i = from, to do
    local story, row = names[i - from + 1], olds[i - from + 1]
    if #due > 2000 then flush() end
    if seen[story] then
      flush()
      row = redis.call('HGET', KEYS[3], story)
    end
    seen[story] = true
    local line = string.sub(ARGV[i], #story + 2)
    local sequence, revision, first = string.match(line, '^(%d+) (%d+)()')
    local stands, newer = {}, true
    if row then
      local was, under, rest = string.match(row, '^(%d+) (%d+)()')
      sequence, was = tonumber(sequence), tonumber(was)
      newer = sequence > was or (sequence == was and tonumber(revision) > tonumber(under))
      for own, fires in string.gmatch(string.sub(row, rest), '(%S+) (%S+)') do
        stands[own] = fires
      end
    end
    if newer then
      local planned = false
      for own, fires in string.gmatch(string.sub(line, first), '(%S+) (%S+)') do
        if stands[own] ~= fires then
          due[#due + 1] = fires
          due[#due + 1] = story .. '.' .. own
          added = added + 1
        end
        stands[own] = nil
        planned = true
      end
      for own in pairs(stands) do
        removed = removed + redis.call('ZREM', KEYS[2], story .. '.' .. own)
      end
      if planned then
        rows[#rows + 1] = story
        rows[#rows + 1] = line
      else
        redis.call('HDEL', KEYS[3], story)
      end
    end
  end
  flush()
end
return {'ok', added, removed}
""",
    python=_plan,
)
"""KEYS generation, due, stories, beat; ARGV generation, last beat, next beat, its life (ms), then
for each story one line: `tenant.customer`, sequence, revision, and each timer with its instant.
"""


def _standing(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    rows = state.call("HMGET", keys[0], *args)
    return [b" ".join((row or b"").split()[:2]) for row in rows]


STANDING = Script(
    name="say what stories are planned from",
    lua="""
local rows = redis.call('HMGET', KEYS[1], unpack(ARGV))
for i = 1, #ARGV do rows[i] = rows[i] and string.match(rows[i], '^%d+ %d+') or '' end
return rows
""",
    python=_standing,
)
"""KEYS stories; ARGV stories. Gives of each the sequence and revision of its plan, or nothing."""


def _claim_at(state: State, keys: Sequence[str], args: Sequence[bytes], now: int) -> Any:  # noqa: ANN401
    if not _beat(state, keys, args):
        return [b"gone"]
    margin, lease, limit = (int(argument) for argument in args[4:7])
    answer = [b"ok", b"%d" % now, b""]
    until = b"%d" % (now + lease)
    before = now - margin
    for name in state.call("ZRANGEBYSCORE", keys[1], "-inf", before, "LIMIT", 0, limit):
        story, _, own = name.rpartition(b".")
        row = state.call("HGET", keys[2], story)
        if row is None:
            state.call("ZREM", keys[1], name)
            continue
        state.call("ZADD", keys[1], until, name)
        answer += [story, own, row.split()[0]]
    first = state.call("ZRANGE", keys[1], 0, 0, "WITHSCORES")
    if first:
        answer[2] = b"%d" % int(float(first[1]))
    return answer


_CLAIM = """
local answer = {'ok', string.format('%.0f', now), ''}
local before = string.format('%.0f', now - tonumber(ARGV[5]))
local lease = string.format('%.0f', now + tonumber(ARGV[6]))
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', before, 'LIMIT', 0, ARGV[7])
for _, name in ipairs(due) do
  local story, own = string.match(name, '^(.*)%.([^.]*)$')
  local row = redis.call('HGET', KEYS[3], story)
  if row then
    redis.call('ZADD', KEYS[2], lease, name)
    answer[#answer + 1] = story
    answer[#answer + 1] = own
    answer[#answer + 1] = string.match(row, '^%S+')
  else
    redis.call('ZREM', KEYS[2], name)
  end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then answer[3] = string.format('%.0f', tonumber(first[2])) end
return answer
"""


def _claim(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    seconds, micros = state.call("TIME")
    return _claim_at(state, keys, args, int(seconds) * 1_000_000 + int(micros))


CLAIM = Script(
    name="claim the timers that are due",
    lua=_BEAT + "local time = redis.call('TIME')\nlocal now = time[1] * 1000000 + time[2]" + _CLAIM,
    python=_claim,
)
"""KEYS as PLAN; ARGV generation, last beat, next beat, its life (ms), margin (us), lease (us), at
most how many. Gives the server's time, the first instant left, then story, timer and the sequence
it was planned from; a claimed timer comes again when its lease is over.
"""

CLAIM_AT = Script(
    name="claim the timers that are due at a given instant",
    lua=_BEAT + "local now = tonumber(ARGV[8])" + _CLAIM,
    python=lambda state, keys, args: _claim_at(state, keys, args, int(args[7])),
)
"""As CLAIM, with the time as a further argument (us): what comes out can then be compared."""


def _settle(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:  # noqa: ANN401
    due, stories = keys
    settled = 0
    for place in range(0, len(args), 4):
        story, own, lease, again = args[place : place + 4]
        name = story + b"." + own
        score = state.call("ZSCORE", due, name)
        if score is None or float(score) != float(lease):
            continue
        settled += 1
        if again:
            state.call("ZADD", due, again, name)
            continue
        state.call("ZREM", due, name)
        owns = (state.call("HGET", stories, story) or b"").split()[2::2]
        if not any(state.call("ZSCORE", due, story + b"." + left) for left in owns):
            state.call("HDEL", stories, story)
    return settled


SETTLE = Script(
    name="take away timers or put them back",
    lua="""
local settled = 0
for i = 1, #ARGV, 4 do
  local story, lease, again = ARGV[i], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local name = story .. '.' .. ARGV[i + 1]
  local score = redis.call('ZSCORE', KEYS[1], name)
  if score and tonumber(score) == lease then
    settled = settled + 1
    if again ~= '' then
      redis.call('ZADD', KEYS[1], again, name)
    else
      redis.call('ZREM', KEYS[1], name)
      local left, n = false, 0
      for word in string.gmatch(redis.call('HGET', KEYS[2], story) or '', '%S+') do
        n = n + 1
        if n > 2 and n % 2 == 1 and redis.call('ZSCORE', KEYS[1], story .. '.' .. word) then
          left = true
        end
      end
      if not left then redis.call('HDEL', KEYS[2], story) end
    end
  end
end
return settled
""",
    python=_settle,
)
"""KEYS due, stories; ARGV for each: story, timer, its lease's end (us), when again (us) or nothing.
Does nothing for a timer whose lease is over or that was planned anew meanwhile.
"""

SCRIPTS = (BEGIN, PLAN, STANDING, CLAIM, CLAIM_AT, SETTLE)
