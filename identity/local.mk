noinst_LIBRARIES += identity/libidentity.a

identity_libidentity_a_SOURCES = \
	identity/rewrite.h \
	identity/rewrite_table.h \
	identity/senders.h \
	identity/verified.c identity/verified.h \
	identity/watched.c identity/watched.h
