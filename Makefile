# `make demo` and `make test` do all the set-up on a fresh machine (Debian, Rust, Node with npm, make).
# Everything comes from the Debian, Rust, npm and PyPI registries that the machine is set up for.

ENGINE := node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
CHARTS := assets/vendor/echarts.esm.min.js
# Root needs no sudo, and a container may have none.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: demo test fuzz build engine test-tools lint fmt doc deny clean

demo: build
	cargo run --release --locked --quiet -- demo

build: $(ENGINE) $(CHARTS)
	cargo build --release --locked

engine: $(ENGINE)

# The embedded ClickHouse engine (566 MB) and the charts; versions and checksums stand in package-lock.json.
$(ENGINE): package-lock.json
	npm ci --no-audit --no-fund
	test -f $@ && touch $@

$(CHARTS): $(ENGINE)
	mkdir -p $(@D)
	cp node_modules/echarts/dist/echarts.esm.min.js $@
	touch src/web/assets.rs

test: $(ENGINE) $(CHARTS) test-tools
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
	cargo deny --offline --config .deny.toml check bans licenses sources
	cargo test --locked

# Real parts for the tests: a Postfix that is never started as a service, a browser, the licence and source check.
test-tools:
	@missing=$$(for tool in chromium:chromium postfix:postfix postmap:postfix dovecot:dovecot-imapd ip:iproute2 zstd:zstd python3:python3; do \
		command -v $${tool%%:*} >/dev/null 2>&1 || test -x /usr/sbin/$${tool%%:*} || echo $${tool##*:}; done | sort -u); \
	if [ -n "$$missing" ]; then \
		$(SUDO) apt-get update -q && \
		echo "postfix postfix/main_mailer_type select No configuration" | $(SUDO) debconf-set-selections && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $$missing; \
	fi
	@command -v cargo-deny >/dev/null 2>&1 || cargo install --locked cargo-deny

# Needs a nightly compiler and cargo-fuzz. Each target takes so many seconds; findings land in tests/fuzz/artifacts.
# Without debug assertions (-O): mail-parser asserts that no mail is cut off within a part, which a release build reads.
FUZZ_SECONDS := 600
FUZZ_TARGETS := mail dsn arf reply postfix archive dmarc tlsrpt
FUZZ_SEEDS := tests/data/mail tests/data/complaints tests/data/reports tests/data/postfix

fuzz: $(CHARTS)
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p tests/fuzz/corpus/$$target; \
		cargo +nightly fuzz run -O --fuzz-dir tests/fuzz --target-dir target/fuzz $$target tests/fuzz/corpus/$$target $(FUZZ_SEEDS) \
			-- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 || exit 1; \
	done

fmt:
	cargo fmt

clean:
	rm -rf target node_modules assets/vendor demo-data
