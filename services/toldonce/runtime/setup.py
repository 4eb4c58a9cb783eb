"""Makes what no service may make: the streams. `python -m toldonce.runtime.setup`, then it ends.

Run once a deployment, as the NATS user `setup`; where the streams stand it only checks them.
"""

import asyncio
import os
import sys

from toldonce.kernel.errors import Refusal
from toldonce.runtime import names
from toldonce.runtime.alarms import open_alarms
from toldonce.runtime.nats_link import Link
from toldonce.runtime.settings import Settings, read, refuse_unknown
from toldonce.runtime.streams import Wants, ensure
from toldonce.runtime.table import open_table
from toldonce.runtime.trail import open_trail


def main() -> int:
    """Do it where the settings say; exit code 1 and a sentence when it cannot be done."""
    try:
        refuse_unknown(os.environ, (Settings,))
        asyncio.run(_set_up(read(Settings)))
    except Refusal as why:
        sys.stderr.write(f"The streams could not be made: {why}\n")
        return 1
    return 0


async def make_streams(link: Link, *, replicas: int, epoch: int = names.STORY_EPOCH) -> None:
    """Make or check every stream; raises Unavailable with the sentence what is wrong with one."""
    stories = names.stories_stream(epoch), names.stories_subjects(epoch)
    await ensure(link, Wants(*stories, replicas=replicas))
    for bucket in names.BUCKETS:
        await open_table(link, bucket, replicas=replicas)
    await open_trail(link, replicas=replicas)
    await open_alarms(link, replicas=replicas)


async def _set_up(settings: Settings) -> None:
    urls = settings.nats.split(",")
    link = await Link.connect(urls, name="setup", options=settings.nats_options())
    try:
        await make_streams(link, replicas=settings.replicas)
    finally:
        await link.close()


if __name__ == "__main__":
    sys.exit(main())
