"""Keep the log of a data folder as a golden log.

toldonce demo --contacts 260 --data D && python -m tests.golden D tests/golden/0.1.jsonl.gz
"""

import asyncio
import sys
from pathlib import Path

from tests.golden.book import write
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded
from toldonce.runtime.log import Stored
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log


async def messages(data: Path) -> list[Stored]:
    """Read the whole log of a data folder that nobody uses."""
    async with embedded(data) as servers:
        link = await Link.connect(servers.nats_url, name="golden")
        try:
            async with nats_log(
                link, epoch=1, clock=SystemClock(), monitor_urls=[servers.monitor_url]
            ) as log:
                last = (await log.info()).last
                found = [await log.get(sequence) for sequence in range(1, last + 1)]
        finally:
            await link.close()
    return [message for message in found if message is not None]


def main() -> int:
    """Run; wrong use is 2."""
    if len(sys.argv) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    found = asyncio.run(messages(Path(sys.argv[1])))
    count = write(Path(sys.argv[2]), found)
    stories = len({message.subject for message in found})
    sys.stderr.write(f"{count} messages of {stories} stories kept\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
