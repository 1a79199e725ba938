noinst_LIBRARIES += ses/libses.a

ses_libses_a_SOURCES = \
	ses/breaker.c ses/breaker.h \
	ses/connection.c ses/connection.h \
	ses/credentials.c ses/credentials.h \
	ses/dialogue.c ses/dialogue.h \
	ses/endpoint.c ses/endpoint.h \
	ses/password.c ses/password.h \
	ses/reply.c ses/reply.h \
	ses/ses.c ses/ses.h ses/ses_parts.h \
	ses/ses_trouble.c
