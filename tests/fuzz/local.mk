# Fuzz targets, one program for each f_*.c (configure --enable-fuzz CC=clang).
# To add tests/fuzz/f_foo.c:
#
#	fuzz_targets += tests/fuzz/f_foo
#	tests_fuzz_f_foo_LDFLAGS = $(FUZZER_LINK)
#	tests_fuzz_f_foo_LDADD = lmtp/libfoo.a $(CORE_LIBS)
#
# Seeds go into tests/fuzz/f_foo.seeds/, a dictionary into tests/fuzz/f_foo.dict;
# tests/run.sh --all finds and runs them for 20 seconds each.

fuzz_targets =
FUZZER_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer

if FUZZ
noinst_PROGRAMS = $(fuzz_targets)
endif
EXTRA_PROGRAMS += $(fuzz_targets)

EXTRA_DIST += tests/fuzz/f_address.seeds tests/fuzz/f_conf.seeds \
	tests/fuzz/f_conf.dict tests/fuzz/f_header.seeds \
	tests/fuzz/f_header.dict tests/fuzz/f_message.seeds \
	tests/fuzz/f_command.seeds tests/fuzz/f_command.dict \
	tests/fuzz/f_reply.seeds tests/fuzz/f_reply.dict \
	tests/fuzz/f_gate.seeds tests/fuzz/f_gate.dict \
	tests/fuzz/f_senders.seeds tests/fuzz/f_senders.dict \
	tests/fuzz/f_srs.seeds tests/fuzz/f_srs.dict \
	tests/fuzz/f_origin.seeds tests/fuzz/f_origin.dict

fuzz_targets += tests/fuzz/f_address
tests_fuzz_f_address_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_address_LDADD = $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_conf
tests_fuzz_f_conf_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_conf_LDADD = $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_header
tests_fuzz_f_header_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_header_LDADD = $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_message
tests_fuzz_f_message_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_message_LDADD = $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_command
tests_fuzz_f_command_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_command_LDADD = lmtp/libgate.a identity/libidentity.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_reply
tests_fuzz_f_reply_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_reply_LDADD = ses/libses.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_gate
tests_fuzz_f_gate_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_gate_LDADD = lmtp/libgate.a identity/libidentity.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_senders
tests_fuzz_f_senders_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_senders_LDADD = identity/libidentity.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_srs
tests_fuzz_f_srs_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_srs_LDADD = identity/libidentity.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_origin
tests_fuzz_f_origin_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_origin_LDADD = identity/libidentity.a $(CORE_LIBS)
fuzz_targets += tests/fuzz/f_socketmap
tests_fuzz_f_socketmap_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_socketmap_LDADD = milter/libsubmission.a identity/libidentity.a \
	$(CORE_LIBS)
EXTRA_DIST += tests/fuzz/f_socketmap.seeds tests/fuzz/f_socketmap.dict
fuzz_targets += tests/fuzz/f_submission
tests_fuzz_f_submission_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_submission_LDADD = milter/libsubmission.a identity/libidentity.a \
	$(CORE_LIBS)
EXTRA_DIST += tests/fuzz/f_submission.seeds tests/fuzz/f_submission.dict
fuzz_targets += tests/fuzz/f_json_split
tests_fuzz_f_json_split_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_json_split_LDADD = $(CORE_LIBS)
EXTRA_DIST += tests/fuzz/f_json_split.seeds tests/fuzz/f_json_split.dict
fuzz_targets += tests/fuzz/f_event
tests_fuzz_f_event_LDFLAGS = $(FUZZER_LINK)
tests_fuzz_f_event_LDADD = $(STORE_LIBS) $(CORE_LIBS)
EXTRA_DIST += tests/fuzz/f_event.seeds tests/fuzz/f_event.dict
