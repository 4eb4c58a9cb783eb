# Aliases only: the work is in bootstrap.py, in the `toldonce` command and in the tools of .venv.
.PHONY: setup demo test check
ready := .venv/.ready

# Any python3 will do to start; it is asked from `/`, where no version manager's file speaks.
setup:
	@here=$$(pwd); cd /; \
	for python in python3 python3.13 python3.12 /usr/bin/python3 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then \
			exec $$python "$$here/bootstrap.py"; \
		fi; \
	done; \
	echo 'ToldOnce needs a python3 on PATH to set itself up: install Python 3.13 or 3.12 and run make setup again.' >&2; \
	exit 1

$(ready): bootstrap.py pyproject.toml requirements-dev.txt
	@$(MAKE) --no-print-directory setup

demo: $(ready)
	@.venv/bin/toldonce demo

test: $(ready)
	@.venv/bin/python -m tests

check: $(ready)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python proto/generate.py --check
	.venv/bin/python -m tests style
