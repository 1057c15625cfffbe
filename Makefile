# Sallyport. `make` alone lists the targets.

# Debian and Ubuntu may pin the toolchain; go.mod's version is fetched where the installed one is older.
export GOTOOLCHAIN ?= auto
export LC_ALL = C.UTF-8

# Without git, as from an archive, the program says the version that its source names.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
PREFIX  ?= /usr/local
DESTDIR ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

.PHONY: build
build: build-deps ## build the program at build/sallyport
	@mkdir -p build
	go build -buildvcs=false $(if $(VERSION),-ldflags '-X sallyport.dev/sallyport/app.Version=$(VERSION)') -o build/sallyport .

.PHONY: static
static: build-deps ## build it without windows, for servers: build/sallyport-static
	@mkdir -p build
	CGO_ENABLED=0 go build -buildvcs=false $(if $(VERSION),-ldflags '-X sallyport.dev/sallyport/app.Version=$(VERSION)') -o build/sallyport-static .

# Two programs of the same source: the system gives a console to one of them, which terminals wait for, and none to
# the other, which has the windows. Every build for Windows has these flags, so that all share one cache.
WINDOWS_FLAGS := -trimpath -buildvcs=false
.PHONY: build-windows
build-windows: build-deps ## build both programs for Windows in build/windows (mingw; the first time takes minutes)
	@command -v x86_64-w64-mingw32-gcc >/dev/null || scripts/install-deps windows
	@mkdir -p build/windows
	scripts/winres
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 \
	  go build $(WINDOWS_FLAGS) -ldflags '-s -w $(if $(VERSION),-X sallyport.dev/sallyport/app.Version=$(VERSION))' -o build/windows/sallyport.exe .
	CGO_ENABLED=1 GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc \
	  go build $(WINDOWS_FLAGS) -ldflags '-s -w -H windowsgui $(if $(VERSION),-X sallyport.dev/sallyport/app.Version=$(VERSION))' -o build/windows/sallyportw.exe .

.PHONY: build-deps
build-deps:
	@scripts/install-deps build run

.PHONY: run
run: ## install what is missing, build, start the firewall and its windows (without a display: a demonstration)
	@scripts/run

.PHONY: demo
demo: build ## the demonstration in namespaces of its own; pictures in build/demo
	@scripts/demo

.PHONY: test
test: ## every test; what cannot run here is named at the end
	@scripts/test

.PHONY: test-windows
test-windows: ## only what is for Windows, in Wine (no Windows is needed)
	@scripts/test windows

.PHONY: test-vm
test-vm: ## only the whole system in a guest with its own kernel
	@scripts/test vm

.PHONY: lint
lint: build-deps ## gofmt, go vet and staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt -w is needed for:"; gofmt -l .; exit 1; }
	go vet ./...
	CGO_ENABLED=0 GOOS=windows go vet ./...
	go tool staticcheck ./...

.PHONY: vulncheck
vulncheck: build-deps ## known vulnerabilities of what we import (asks the Go vulnerability database)
	go tool govulncheck ./...

.PHONY: bench
bench: build-deps ## speed with the firewall as a ratio of speed without it (about eight minutes, root)
	@scripts/bench

.PHONY: soak
soak: build-deps ## fuzz and repeat the tests for SOAK (10m)
	@scripts/soak $(or $(SOAK),10m)

.PHONY: generate
generate: ## compile the eBPF programs again (clang)
	@scripts/install-deps build generate
	go generate ./...

.PHONY: install
install: ## install the program, its service, its policy and its menu entry (root)
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install

.PHONY: uninstall
uninstall: ## stop and remove it all; PURGE=1 also removes rules and log
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/uninstall

.PHONY: dist-windows
dist-windows: ## Windows packages in build/dist; WINDIVERT_ZIP is the path of the official WinDivert-2.2.2-A.zip
	@WINDIVERT_ZIP='$(WINDIVERT_ZIP)' scripts/dist-windows

.PHONY: clean
clean: ## remove build/
	rm -rf build rsrc_windows_*.syso
