# Everything that people and CI do with zigcheck. `make help` lists it.
.PHONY: all install uninstall run-docker fetch-network setup setup-tests docker-build docker-clean run test sim fuzz bench bench-warm check clean help
.DEFAULT_GOAL := all

# make docker-build VERSION=0.18.0-dev ZIG_DIST=DIR makes one image, from a local Zig distribution.
export VERSION ZIG_DIST

all:                   ## build the program: target/release/zigcheck
	cargo build --release

run-docker: docker-build all  ## from a bare machine to a server on 127.0.0.1:3000
	@echo "Try, in a package: git archive HEAD | curl -sN --data-binary @- '127.0.0.1:3000/api/check?name=mine&follow'"
	@if [ "$$(id -u)" = 0 ]; then systemd/fetch-network; else \
		docker network inspect zigcheck-fetch >/dev/null 2>&1 || { echo "once, as root: make fetch-network" >&2; exit 1; }; fi
	@exec target/release/zigcheck --listen 127.0.0.1:3000 --fetch-network zigcheck-fetch

fetch-network:         ## as root: the docker network of fetches, which reaches public addresses alone (run-docker makes it)
	@systemd/fetch-network

setup:
	@images/setup-machine

docker-build: setup    ## make the toolchain images that are missing or out of date
	@images/make-images

docker-clean:          ## remove zigcheck's containers, images and network, and nothing else
	@images/clean

run: all               ## build and serve, with the images that are there
	@exec target/release/zigcheck

install: all           ## as root: the program as a systemd service (DESTDIR=DIR: the files alone, there)
	@systemd/install

uninstall:             ## as root: stop and remove the service; the data stays
	@systemd/uninstall

setup-tests:
	@tests/setup

test: docker-build setup-tests  ## all tests, with real docker, real Zig and real clients
	cargo test

sim:                   ## ten thousand simulated lives of the server (SEED=n replays one, and tells it; SEEDS=n, FROM=n)
	SEEDS=$${SEEDS:-10000} cargo test --test simulation -- --nocapture

fuzz:                  ## a million cases of random and damaged input at every parser (SEED=n replays one; CASES=n, FROM=n)
	CASES=$${CASES:-1000000} FROM=$${FROM:-$$(date +%s)000000} cargo test --test fuzz -- --nocapture

bench: docker-build    ## what the server adds to docker run and to the exit of a process, what watchers and a long queue cost it
	cargo bench --bench verdict --bench watchers --bench queue --bench submissions

bench-warm: docker-build  ## what the warm cache saves, and what the container costs, as a table
	@benches/warm.sh

check:                 ## format and lints
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

clean:                 ## remove what cargo made
	cargo clean

help:                  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' Makefile | expand -t 15
