"""Writes the users of the NATS servers, and what each may do, from the one table.

    python deploy/nats_conf.py            write deploy/k8s/base/nats/users.conf
    python deploy/nats_conf.py --check    exit 1 when the file there is not what would be written

Passwords are no part of it: `$<USER>_PASSWORD` is looked up in passwords.conf, a secret of its own
that is mounted beside it.
"""

import argparse
import json
import sys
from pathlib import Path

from toldonce.runtime.permissions import nats_users

TARGET = Path(__file__).parent / "k8s" / "base" / "nats" / "users.conf"
_HEAD = """\
# Written by deploy/nats_conf.py from services/toldonce/runtime/permissions.py: change it there.
include "../nats-passwords/passwords.conf"

authorization {
  timeout: 2
  users: [
"""
_FOOT = """\
  ]
}
"""


def main() -> int:
    """Write the file, or look whether it is right."""
    parser = argparse.ArgumentParser(description="Write the NATS users and their permissions.")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    wanted = users_conf()
    if not parser.parse_args().check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(
        f"{TARGET.name} is not what permissions.py says: run python deploy/nats_conf.py\n"
    )
    return 1


def users_conf() -> str:
    """Give the text of users.conf."""
    return _HEAD + "".join(map(_user, nats_users())) + _FOOT


def password_of(user: str) -> str:
    """Name the variable of passwords.conf that holds a user's password (better: its bcrypt)."""
    return f"{user.upper()}_PASSWORD"


def _user(user: dict[str, object]) -> str:
    name = str(user["user"])
    permissions = json.dumps(user["permissions"], indent=2).replace("\n", "\n      ")
    return (
        f"    {{\n      user: {name}\n      password: ${password_of(name)}\n"
        f"      permissions: {permissions}\n    }}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
