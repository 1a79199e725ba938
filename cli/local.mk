bin_PROGRAMS += cli/postern

cli_postern_SOURCES = \
	cli/check.c cli/check.h \
	cli/check_host.c \
	cli/check_mta.c \
	cli/check_ses.c \
	cli/check_store.c \
	cli/cli.h \
	cli/identities.c \
	cli/init.c \
	cli/main.c \
	cli/options.c \
	cli/output.c cli/output.h \
	cli/postfix.c cli/postfix.h \
	cli/run.c cli/run.h \
	cli/smtp_password.c \
	cli/steps.c cli/steps.h
cli_postern_LDADD = identity/libidentity.a ses/libses.a $(STORE_LIBS) \
	$(CORE_LIBS)
