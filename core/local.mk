noinst_LIBRARIES += core/libcore.a

core_libcore_a_SOURCES = \
	core/address.c core/address.h \
	core/base64.c core/base64.h \
	core/buf.c core/buf.h \
	core/clock.c core/clock.h \
	core/conf.c core/conf.h \
	core/conf_check.c core/conf_check.h \
	core/conf_scan.c core/conf_scan.h \
	core/conf_table.c core/conf_table.h core/conf_value.c \
	core/crypto.c core/crypto.h \
	core/cut.c core/cut.h \
	core/daemon.c core/daemon.h \
	core/err.c core/err.h \
	core/header.c core/header.h \
	core/header_encode.c core/header_encode.h \
	core/header_fold.c core/header_fold.h \
	core/header_mailbox.c core/header_repair.c \
	core/header_scan.c core/header_scan.h \
	core/json.c core/json.h \
	core/json_split.c core/json_split.h \
	core/histogram.c core/histogram.h \
	core/hostname.c core/hostname.h \
	core/lines.c core/lines.h \
	core/log.c core/log.h \
	core/mem.c core/mem.h \
	core/message.c core/message.h \
	core/notify.c core/notify.h \
	core/peer.c core/peer.h \
	core/privilege.c core/privilege.h \
	core/socket.c core/socket.h \
	core/tally.c core/tally.h \
	core/thread.c core/thread.h \
	core/stream.c core/stream.h core/stream_connect.c \
	core/tls.h core/tls_fault.c core/tls_fault.h \
	core/utf8.c core/utf8.h \
	core/wire.c core/wire.h

if TLS_OPENSSL
core_libcore_a_SOURCES += core/crypto_openssl.c core/tls_openssl.c
else
core_libcore_a_SOURCES += core/crypto_gnutls.c core/tls_gnutls.c
endif
