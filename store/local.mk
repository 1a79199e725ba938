noinst_LIBRARIES += store/libstore.a

SCHEMA_FILES = \
	schema/001_journal.sql \
	schema/002_views.sql \
	schema/search.sql

store_libstore_a_SOURCES = \
	store/archive.c store/archive.h \
	store/archive_build.c store/archive_parts.h \
	store/archives.c store/archives.h \
	store/audit.c store/audit.h \
	store/chain.c store/chain.h \
	store/counts.c store/counts.h \
	store/db.c store/db.h \
	store/event.c store/event.h \
	store/event_find.c store/event_find.h \
	store/event_read.c store/event_read.h \
	store/event_record.c store/event_record.h \
	store/event_suppress.c store/event_suppress.h \
	store/event_take.c store/event_take.h \
	store/event_unmatched.c store/event_unmatched.h \
	store/forget.c store/forget.h \
	store/forget_find.c \
	store/hidden.c store/hidden.h \
	store/journal.c store/journal.h \
	store/journal/attime.c store/journal/attime.h \
	store/journal/batch.c store/journal/batch.h \
	store/journal/checkpoint.c store/journal/checkpoint.h \
	store/journal/doubt.c store/journal/doubt.h \
	store/journal/file.c store/journal/file.h \
	store/journal/parts.h store/journal/thread.c \
	store/journal/tx.c store/journal/tx.h \
	store/ledger.c store/ledger.h \
	store/migrate.c \
	store/outcomes.c store/outcomes.h \
	store/numbering.c store/numbering.h \
	store/place.c store/place.h \
	store/prune.c store/prune.h \
	store/prune_begin.c store/prune_parts.h \
	store/prune_plan.c store/prune_watch.c \
	store/report.c store/report.h \
	store/report_times.c store/report_times.h \
	store/quota.c store/quota.h \
	store/quota_day.c store/quota_day.h \
	store/record.c store/record.h \
	store/record/arrival.c \
	store/record/digest.c store/record/digest.h \
	store/record/message.c store/record/parts.h \
	store/record_party.c store/record_party.h \
	store/record_sql.h \
	store/record_text.c store/record_text.h \
	store/schema.h \
	store/search.c store/search.h \
	store/search/catch_up.c \
	store/search/days.c store/search/days.h \
	store/search/fill.c store/search/fill.h \
	store/search/index.c store/search/index.h \
	store/search/match.c store/search/match.h \
	store/search/plain.c store/search/plain.h \
	store/search/postings.c store/search/postings.h \
	store/search/progress.c store/search/progress.h \
	store/search/pruned.c store/search/pruned.h \
	store/search/question.c store/search/question.h \
	store/search/shared.c store/search/shared.h \
	store/search/term.c store/search/term.h \
	store/search/words.c store/search/words.h \
	store/seek.h \
	store/settle.c store/settle.h \
	store/snapshot.c store/snapshot.h \
	store/reason.c store/reason.h \
	store/suppression.c store/suppression.h \
	store/suppressions.c store/suppressions.h \
	store/uuid.c \
	store/verify.c store/verify.h \
	store/verify_chain.c store/verify_chain.h \
	store/verify_compare.c store/verify_compare.h \
	store/verify_gather.c store/verify_gather.h \
	store/verify_pruned.c store/verify_pruned.h \
	store/verify_schema.c store/verify_schema.h \
	store/verify_tables.c store/verify_tables.h \
	store/wipe.c store/wipe.h
nodist_store_libstore_a_SOURCES = store/schema_sql.c

if STATFS_NAMES
store_libstore_a_SOURCES += store/place_bsd.c
else
store_libstore_a_SOURCES += store/place_linux.c
endif

EXTRA_DIST += $(SCHEMA_FILES) store/embed.awk
BUILT_SOURCES += store/schema_sql.c
CLEANFILES += store/schema_sql.c

# The directory is made by hand: a build out of tree may come here before any
# object of it was compiled.
store/schema_sql.c: $(SCHEMA_FILES) store/embed.awk
	$(AM_V_GEN)$(MKDIR_P) store && ( cd $(srcdir) && \
	    $(AWK) -f store/embed.awk $(SCHEMA_FILES) ) > $@.tmp && \
	    mv -f $@.tmp $@

STORE_LIBS = store/libstore.a $(SQLITE_LIBS)
