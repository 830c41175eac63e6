export PATH := $(CURDIR)/.venv/bin:$(PATH)
stamp := .venv/.installed-$(shell cat requirements/dev.txt pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: install play sandbox test check fix bench lock

install: $(stamp)                       # everything into .venv, by hash
$(stamp):
	python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check uv && .venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r requirements/dev.txt && .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e . && touch $@

play: install                           # the night, played: a dark Region, an approval, production moved
	signalbox sandbox --port 0 --speed 10 --play failover

sandbox: install                        # the whole world on a page, to play by hand
	signalbox sandbox

test: install                           # everything that must hold
	pytest -n auto -m "not slow and not bench" && pytest -m "slow or bench"

check: install                          # style, types, layers; changes nothing
	ruff check . && ruff format --check . && mypy && lint-imports --no-cache

fix: install                            # what can be corrected by itself
	ruff check --fix . ; ruff format .

bench: install                          # figures, as ratios to a floor measured in the same run
	python -m tests.bench

lock:                                   # requirements/ anew from pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --generate-hashes --group dev --all-extras pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --generate-hashes pyproject.toml -o requirements/run.txt
	echo 'setuptools>=80' | uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --generate-hashes - -o requirements/build.txt
