bin_PROGRAMS += postern-sandbox

postern_sandbox_SOURCES = \
	sandbox/account.c sandbox/account.h \
	sandbox/auth.c \
	sandbox/body.c sandbox/body.h \
	sandbox/cert.h \
	sandbox/control.c sandbox/control.h \
	sandbox/crowd.c sandbox/crowd.h \
	sandbox/data.c \
	sandbox/endpoint.c sandbox/endpoint.h \
	sandbox/events.c sandbox/events.h \
	sandbox/fault.c sandbox/fault.h \
	sandbox/fields.c sandbox/fields.h \
	sandbox/ids.c sandbox/ids.h \
	sandbox/judge.c sandbox/judge.h \
	sandbox/knobs.c sandbox/knobs.h \
	sandbox/limits.c sandbox/limits.h \
	sandbox/listener.c sandbox/listener.h \
	sandbox/mailboxes.c \
	sandbox/main.c \
	sandbox/options.c sandbox/options.h \
	sandbox/path.c sandbox/path.h \
	sandbox/record.c sandbox/record.h \
	sandbox/sandbox.h \
	sandbox/session.c sandbox/session.h \
	sandbox/settings.c sandbox/settings.h \
	sandbox/summary.c sandbox/summary.h \
	sandbox/talk.c sandbox/talk.h \
	sandbox/verbs.c sandbox/verbs.h
postern_sandbox_LDADD = $(CORE_LIBS)

if TLS_OPENSSL
postern_sandbox_SOURCES += sandbox/cert_openssl.c
else
postern_sandbox_SOURCES += sandbox/cert_gnutls.c
endif

# A load generator, for the benchmark of the sandbox alone.
EXTRA_PROGRAMS += smtpload
smtpload_SOURCES = tests/bench/smtpload.c
smtpload_LDADD = $(CORE_LIBS)
