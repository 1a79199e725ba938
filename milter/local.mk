# What is pure is a library of its own, so that unit tests and fuzz targets can
# link it without libmilter.
noinst_LIBRARIES += milter/libsubmission.a

milter_libsubmission_a_SOURCES = \
	milter/lookup.c milter/lookup.h \
	milter/submission.c milter/submission.h

sbin_PROGRAMS += postern-milter

postern_milter_SOURCES = \
	milter/apply.c milter/apply.h \
	milter/current.c milter/current.h \
	milter/filter.c milter/filter.h \
	milter/main.c \
	milter/sigwait.c \
	milter/socketmap.c milter/socketmap.h
postern_milter_LDADD = milter/libsubmission.a identity/libidentity.a \
	$(MILTER_LIBS) $(CORE_LIBS)
