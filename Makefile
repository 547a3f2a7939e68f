# Everything that people and CI do with zigcheck. `make help` explains the targets.
.PHONY: all static deb install uninstall cluster cluster-remove node node-remove run-docker fetch-network setup setup-tests docker-build docker-clean run test test-all screenshots pictures sim fuzz bench bench-warm check clean help
.DEFAULT_GOAL := all

# make docker-build VERSION=0.18.0-dev ZIG_DIST=DIR makes one image, from a local Zig distribution.
export VERSION ZIG_DIST

## Run it
run-docker: docker-build all  ## install what is missing, make images and network, serve on 127.0.0.1:3000
	@echo "Now run in a package: git archive HEAD | curl -sN --data-binary @- '127.0.0.1:3000/api/check?name=mine&follow'"
	@if [ "$$(id -u)" = 0 ]; then systemd/fetch-network; else \
		docker network inspect zigcheck-fetch >/dev/null 2>&1 || { echo "first run as root, once: make fetch-network" >&2; exit 1; }; fi
	@exec target/release/zigcheck --listen 127.0.0.1:3000

run: all               ## serve with the images and the network for fetches that exist
	@exec target/release/zigcheck

all:                   ## build the program, target/release/zigcheck (also plain `make`)
	cargo build --release

docker-build: setup    ## make the images that are missing or out of date (VERSION=, ZIG_DIST=: one, from a local Zig)
	@images/make-images

fetch-network:         ## as root: make the docker network for fetches, which reaches public addresses only
	@systemd/fetch-network

setup:
	@images/setup-machine

## Install it
install: all           ## as root: install or upgrade the systemd service (DESTDIR=DIR only copies the files)
	@systemd/install

static:                ## build a program without libraries for x86_64 and aarch64: target/static (ARCHS=x86_64: one)
	@systemd/package/build static

deb:                   ## make the Debian packages of these: target/deb (ARCHS=x86_64: one)
	@systemd/package/build deb

uninstall:             ## as root: stop and remove the service; keeps the data
	@systemd/uninstall

## Build on more machines: docs/cluster.md
cluster:               ## as root: make this machine the server of a cluster (ADDRESS=: its address for the nodes)
	@systemd/cluster/server

cluster-remove:        ## as root: undo this, except the packages (NOW=1: although there are nodes)
	@systemd/cluster/server remove

node:                  ## as root on another machine: make it a node that builds (SERVER=: the server's address)
	@systemd/cluster/node

node-remove:           ## as root there: wait for its builds, and take it out of the cluster (NOW=1: cancel them)
	@systemd/cluster/node remove

## Work on it
check:                 ## check format, lints and doc comments; no test is run
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

setup-tests:
	@tests/setup

test: docker-build setup-tests  ## run all tests, with the real engine, Zig and browser (about 45 minutes)
	cargo test

test-all: docker-build deb  ## run these and the tests that take too long for each change: podman, another machine over ssh, packages in bare Debian trees (about 90 minutes)
	@tests/setup all
	cargo test -- --include-ignored

screenshots: setup-tests  ## show all pages in Chromium and Firefox, and leave pictures of them in target/screenshots
	cargo test --test server browser::people

pictures: setup-tests  ## make the pictures of README anew, in docs/pictures
	cargo test --test server browser::the_pictures
	cp target/pictures/*.webp docs/pictures/

sim:                   ## simulate 10,000 lives of the server (SEEDS=n, FROM=n; SEED=n replays one and prints it)
	SEEDS=$${SEEDS:-10000} cargo test --test simulation -- --nocapture

fuzz:                  ## try a million damaged inputs on every parser (CASES=n, FROM=n; SEED=n replays one)
	CASES=$${CASES:-1000000} FROM=$${FROM:-$$(date +%s)000000} cargo test --test fuzz -- --nocapture

bench: docker-build setup-tests  ## measure what the server adds to docker, what it answers in a second, and what watchers, nodes, long queues and large catalogues cost
	cargo bench --bench verdict --bench watchers --bench queue --bench submissions --bench neighbours --bench catalogue --bench answers --bench search --bench scale --bench nodes

bench-warm: docker-build  ## measure what the warm cache saves and what the container costs
	@benches/warm.sh

## Clean up
clean:                 ## remove what cargo built
	cargo clean

docker-clean:          ## remove zigcheck's containers, images and network from the engine
	@images/clean

help:                  ## show this list
	@echo "zigcheck builds and tests Zig packages under several Zig versions. Start with: make run-docker (as root)"
	@sed -nE 's/^## (.*)/\n\1:/p; s/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 17
