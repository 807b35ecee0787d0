# Every target is one line to the real thing. `make` alone lists them.
export CARGO_TERM_COLOR ?= auto
WINDOWS := x86_64-pc-windows-gnu
TEST_RUNNER := $(if $(shell command -v cargo-nextest),nextest run --no-fail-fast,test --no-fail-fast)

.DEFAULT_GOAL := help
.PHONY: help demo build test test-rust test-python lint setup windows bench

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## A server, three agents and a fleet that turns OK (ONCE=1 ends by itself)
	@tests/setup.sh demo
	cargo build --quiet --workspace --bins
	cargo run --quiet --bin demo -- $(if $(ONCE),--once)

build: ## Build everything (development profile)
	cargo build --workspace --bins

test: setup lint test-python test-rust ## Everything that CI runs

test-rust: build
	cargo $(TEST_RUNNER) --workspace

test-python:
	python3 -B -m unittest discover -s agent/python/tests

lint: ## Formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: ## Figures of the server with 50,000 hosts (release build)
	MUSTER_BENCH_HOSTS=50000 cargo test --release -p muster-server --test api scale -- --nocapture

setup: ## Install what the tests need (Debian, Ubuntu; as root)
	@tests/setup.sh test

windows: ## Build every binary for Windows
	@tests/setup.sh windows
	rustup target add $(WINDOWS)
	CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc cargo build --workspace --bins --target $(WINDOWS)
