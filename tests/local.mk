# Tests that drive the programs from outside. tests/run.sh runs them all; the
# targets here are for what takes long.

EXTRA_DIST += tests/run.sh tests/conftest.py tests/pytest.ini \
	tests/lib tests/protocol tests/integration

# Directories are distributed as they are found, so take out what Python left.
dist-hook:
	find $(distdir)/tests -name __pycache__ -prune -exec rm -rf {} +

PYTHON3 = /usr/bin/python3
PYTEST = cd $(abs_top_srcdir)/tests && POSTERN_BUILD=$(abs_builddir) \
	PYTHONDONTWRITEBYTECODE=1 $(PYTHON3) -m pytest -rfEs

# The promises in full length: some hours. One at a time, since they judge pace.
.PHONY: soak
soak: all
	$(PYTEST) -v -m soak --durations=0 $(SOAKFLAGS) protocol integration

# Ratios from one run on one machine, printed as tables.
.PHONY: bench
bench: all
	$(PYTEST) -q -s -m bench $(BENCHFLAGS) protocol integration

# What benchmarks and tests need beside the programs themselves.
EXTRA_PROGRAMS += lmtpload journalfill sealorigin
sealorigin_SOURCES = tests/lib/sealorigin.c
sealorigin_LDADD = identity/libidentity.a $(CORE_LIBS)
lmtpload_SOURCES = tests/bench/lmtpload.c
lmtpload_LDADD = $(CORE_LIBS)
journalfill_SOURCES = tests/bench/journalfill.c
journalfill_LDADD = $(STORE_LIBS) $(CORE_LIBS)
journalfill_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=journal_do \
	-Wl,--wrap=clock_wall_us -Wl,--wrap=clock_mono_us \
	-Wl,--wrap=clock_boot_id
