# Unit tests: one program for each t_*.c, which mirrors the file that it tests.
# To add tests/unit/t_foo.c (its name is found by itself):
#
#	unit_tests += tests/unit/t_foo
#	tests_unit_t_foo_LDADD = ses/libses.a $(UNIT_LIBS)
#
# The second line only where more than core is needed.

EXTRA_DIST += tests/unit/make-certs.sh tests/unit/unit.h \
	tests/unit/secrettest.h tests/unit/senders.txt \
	tests/unit/storetest.h

if HAVE_CMOCKA
AM_CFLAGS += $(CMOCKA_CFLAGS)
UNIT_LIBS = $(CORE_LIBS) $(CMOCKA_LIBS)
LDADD = $(UNIT_LIBS)

unit_tests =
unit_tests += tests/unit/t_address
unit_tests += tests/unit/t_conf
unit_tests += tests/unit/t_core
unit_tests += tests/unit/t_crypto
unit_tests += tests/unit/t_header
unit_tests += tests/unit/t_json_split
unit_tests += tests/unit/t_message
unit_tests += tests/unit/t_socket
unit_tests += tests/unit/t_stream
unit_tests += tests/unit/t_tally
unit_tests += tests/unit/t_tls
tests_unit_t_tls_CPPFLAGS = $(AM_CPPFLAGS) \
	-DMAKE_CERTS='"$(abs_top_srcdir)/tests/unit/make-certs.sh"'
unit_tests += tests/unit/t_manual
tests_unit_t_manual_CPPFLAGS = $(AM_CPPFLAGS) \
	-DMANUAL='"$(abs_top_srcdir)/man/postern.conf.5"'
unit_tests += tests/unit/t_password
tests_unit_t_password_LDADD = ses/libses.a $(UNIT_LIBS)

unit_tests += tests/unit/t_quota
tests_unit_t_quota_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
tests_unit_t_quota_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_mono_us \
	-Wl,--wrap=ledger_read
unit_tests += tests/unit/t_reply
tests_unit_t_reply_LDADD = ses/libses.a $(UNIT_LIBS)
tests_unit_t_reply_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_mono_us
unit_tests += tests/unit/t_chain
tests_unit_t_chain_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_event
tests_unit_t_event_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_event_read
tests_unit_t_event_read_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_journal
tests_unit_t_journal_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_ledger
tests_unit_t_ledger_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_prune
tests_unit_t_prune_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_record
tests_unit_t_record_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_search
tests_unit_t_search_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_suppression
tests_unit_t_suppression_LDADD = $(STORE_LIBS) $(UNIT_LIBS)
unit_tests += tests/unit/t_gate
tests_unit_t_gate_LDADD = lmtp/libgate.a identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_origin
tests_unit_t_origin_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_secret
tests_unit_t_secret_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_srs
tests_unit_t_srs_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_rewrite
tests_unit_t_rewrite_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_senders
tests_unit_t_senders_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSENDERS='"$(abs_top_srcdir)/tests/unit/senders.txt"'
tests_unit_t_senders_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_verified
tests_unit_t_verified_LDADD = identity/libidentity.a $(UNIT_LIBS)
unit_tests += tests/unit/t_watched
tests_unit_t_watched_LDADD = identity/libidentity.a $(UNIT_LIBS)
tests_unit_t_watched_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_mono_us \
	-Wl,--wrap=clock_wall_us
unit_tests += tests/unit/t_lookup
tests_unit_t_lookup_LDADD = milter/libsubmission.a identity/libidentity.a \
	$(UNIT_LIBS)
unit_tests += tests/unit/t_submission
tests_unit_t_submission_LDADD = milter/libsubmission.a \
	identity/libidentity.a $(UNIT_LIBS)

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
