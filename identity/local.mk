noinst_LIBRARIES += identity/libidentity.a

identity_libidentity_a_SOURCES = \
	identity/origin.c identity/origin.h \
	identity/rewrite.c identity/rewrite.h \
	identity/rewrite_table.c identity/rewrite_table.h \
	identity/rules.c identity/rules.h \
	identity/secret.c identity/secret.h \
	identity/sender_field.c identity/sender_field.h \
	identity/senders.c identity/senders.h \
	identity/srs.c identity/srs.h \
	identity/verified.c identity/verified.h \
	identity/watched.c identity/watched.h
