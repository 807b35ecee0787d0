# Every target is one line to the real thing. `make` alone lists them.
export CARGO_TERM_COLOR ?= auto
WINDOWS := x86_64-pc-windows-gnu
LINK_WINDOWS := CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
ADD_WINDOWS := rustup target list --installed | grep -qx $(WINDOWS) || rustup target add $(WINDOWS)
TEST_RUNNER := $(if $(shell command -v cargo-nextest),nextest run --no-fail-fast,test --no-fail-fast)

.DEFAULT_GOAL := help
.PHONY: test-windows test-windows-crash help demo build test test-rust test-python lint setup windows windows-machine bench bench-agent bench-packages test-full deb windows-installer debian-machine bench-hostile wheels wheels-windows test-windows-python docs fuzz lint-names

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: wheels ## A server, three agents and a fleet that turns OK (ONCE=1 ends by itself)
	@tests/setup.sh demo
	cargo build --quiet --workspace --bins
	cargo run --quiet --bin demo -- $(if $(ONCE),--once)

build: wheels ## Build everything (development profile)
	cargo build --workspace --bins

test: setup wheels lint test-python test-rust test-windows ## Everything that CI runs

test-rust: build windows-machine debian-machine
	cargo $(TEST_RUNNER) --workspace

test-python: wheels ## Tests of setuphelpers and of the script runner
	python3 -B -m unittest discover -s agent/python/tests

# Pinned by version and hash in the requirements files; agent/build.rs carries what lies here.
WHEELS := agent/python/wheels
FETCH_WHEELS = python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest $(WHEELS)

wheels: $(WHEELS)/.fetched ## Fetch the Python modules that the agent carries (nothing to do when they are there)

$(WHEELS)/.fetched: agent/python/requirements.txt
	@tests/setup.sh wheels
	$(FETCH_WHEELS) --implementation py --abi none --platform any --python-version 3.9 -r $<
	@touch $@

wheels-windows: wheels $(WHEELS)/.fetched-windows ## The same for Windows agents

$(WHEELS)/.fetched-windows: agent/python/requirements-windows.txt
	$(FETCH_WHEELS) --platform win_amd64 --python-version 3.12 -r $<
	@touch $@

test-windows-python: wheels-windows ## The Windows half of setuphelpers, under Wine
	@tests/setup.sh wine
	@agent/python/tests/windows/run.sh

docs: ## Write docs/setuphelpers.md from the code
	python3 -B agent/python/tools/list_helpers.py docs/setuphelpers.md

lint-names: ## Write the names that lint knows, from the agent's Python modules
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=agent/python python3 console/src/admin/lint/names.py > console/src/admin/lint/names.txt.new
	mv console/src/admin/lint/names.txt.new console/src/admin/lint/names.txt

lint: ## Formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: ## Figures of the server with 50,000 hosts (release build)
	MUSTER_BENCH_HOSTS=50000 cargo test --release -p muster-server --test api scale -- --nocapture

fuzz: ## Fuzz targets, FUZZ_SECONDS each (600), all or those in TARGETS; fails on a finding
	@tests/setup.sh fuzz
	@tests/fuzz/run.sh $(TARGETS)

bench-agent: ## Figures of the idle agent beside Debian's puppet and mender (release build, 12 minutes; QUICK=1)
	@tests/setup.sh bench-agent
	cargo build --quiet --release -p muster-agent --bin muster-agent
	cargo build --quiet --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/bench-agent $${CARGO_TARGET_DIR:-target}/release/muster-agent $(if $(QUICK),--quick)

test-full: test-windows-crash ## The long tests that `make test` leaves out: a day of an agent in twenty minutes
	@tests/setup.sh test
	cargo build --quiet --workspace --bins
	cargo test --workspace -- --ignored full_ --nocapture

bench-packages: ## Figures of packages and indexes beside known tools (release build, 6 GB below TMPDIR)
	@tests/setup.sh bench
	cargo build --quiet --release -p muster-agent --bin muster-agent
	cargo build --quiet --release -p muster-tests --features bench --bin bench-packages
	$${CARGO_TARGET_DIR:-target}/release/bench-packages

bench-hostile: ## What hostile archives cost until they are refused (release build)
	cargo test --quiet --release -p muster-shared --test hostile_limits -- --nocapture --test-threads 1

setup: ## Install what the tests need (Debian, Ubuntu; as root)
	@tests/setup.sh test

# Tests of the Windows build, one process a file: each process that Wine starts costs half a second.
TEST_WINDOWS = $(LINK_WINDOWS) CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$(CURDIR)/tests/windows/test.sh \
	  cargo test -p muster-agent --target $(WINDOWS) --no-fail-fast

test-windows: windows-machine ## The agent's own tests on its Windows build, under Wine with a Windows CPython
	$(TEST_WINDOWS) --lib --test command_line --test 'edge_*'

# Some hundred starts of programs under Wine: too slow for `make test`.
test-windows-crash: windows-machine ## The Windows agent killed at every step of its journal, under Wine
	MUSTER_TEST_SECONDS=1800 $(TEST_WINDOWS) --test crash

windows-machine: wheels ## Windows agent and a Windows machine under Wine, for the tests
	@tests/setup.sh windows
	@tests/setup.sh wine
	@tests/windows/machine.sh
	@$(ADD_WINDOWS)
	$(LINK_WINDOWS) cargo build -p muster-agent --target $(WINDOWS)

windows: wheels-windows ## Build every binary for Windows
	@tests/setup.sh windows
	@$(ADD_WINDOWS)
	$(LINK_WINDOWS) cargo build --workspace --bins --target $(WINDOWS)

debian-machine: ## A minimal Debian for the tests (debootstrap, as root)
	@tests/setup.sh debian
	@tests/setup.sh installers
	@tests/debian/machine.sh

# Where finished packages go.
PACKAGES ?= target/packages

deb: wheels ## Debian package of the agent (release build)
	@tests/setup.sh installers
	cargo build --release -p muster-agent --bin muster-agent
	packaging/agent/debian/build.sh $${CARGO_TARGET_DIR:-target}/release/muster-agent $(PACKAGES)

windows-installer: wheels-windows ## Windows installer of the agent: PYTHON_EMBED=FILE SHA256=… (release build)
	@test -n "$(PYTHON_EMBED)" -a -n "$(SHA256)" || { \
	  echo "give the embeddable CPython for amd64 and its hash: make windows-installer PYTHON_EMBED=FILE SHA256=…" >&2; exit 2; }
	@tests/setup.sh windows
	@tests/setup.sh installers
	@$(ADD_WINDOWS)
	$(LINK_WINDOWS) cargo build --release -p muster-agent --target $(WINDOWS)
	packaging/agent/windows/build.sh $${CARGO_TARGET_DIR:-target}/$(WINDOWS)/release/muster-agent.exe "$(PYTHON_EMBED)" "$(SHA256)" $(PACKAGES)
