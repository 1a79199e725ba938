# The gate and the parser are a library of their own, so that unit tests and fuzz
# targets can link them.
noinst_LIBRARIES += lmtp/libgate.a

lmtp_libgate_a_SOURCES = \
	lmtp/allow.c lmtp/allow.h \
	lmtp/command.c lmtp/command.h \
	lmtp/gate.c lmtp/gate.h lmtp/gate_parts.h \
	lmtp/gate_headers.c lmtp/gate_origin.c \
	lmtp/gate_senders.c lmtp/gate_trace.c

sbin_PROGRAMS += posternd

posternd_SOURCES = \
	lmtp/alarm.c lmtp/alarm.h \
	lmtp/arrival.c lmtp/arrival.h \
	lmtp/content.c \
	lmtp/control.c lmtp/control.h lmtp/control_parts.h \
	lmtp/control_events.c \
	lmtp/control_keep.c \
	lmtp/dispatch.c lmtp/dispatch.h lmtp/dispatch_parts.h \
	lmtp/dispatch_claims.c \
	lmtp/dispatch_measure.c \
	lmtp/dispatch_senders.c \
	lmtp/dispatch_turns.c \
	lmtp/listener.c lmtp/listener.h \
	lmtp/mail.c lmtp/mail.h \
	lmtp/main.c \
	lmtp/recipient.c lmtp/recipient.h \
	lmtp/relay.c lmtp/relay_collect.c lmtp/relay_parts.h \
	lmtp/sender.c lmtp/sender.h \
	lmtp/sender_outcome.c lmtp/sender_parts.h lmtp/server.h \
	lmtp/session.c lmtp/session.h \
	lmtp/transaction.c lmtp/transaction.h \
	lmtp/verbs.c \
	lmtp/verdict.c lmtp/verdict.h
posternd_LDADD = lmtp/libgate.a identity/libidentity.a ses/libses.a \
	$(STORE_LIBS) $(CORE_LIBS)
