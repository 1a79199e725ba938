bin_PROGRAMS += cli/postern

cli_postern_SOURCES = \
	cli/chart.c cli/chart.h \
	cli/check.c cli/check.h \
	cli/check_door.c \
	cli/check_host.c \
	cli/check_milter.c \
	cli/check_mta.c \
	cli/check_rewrite.c \
	cli/check_ses.c \
	cli/check_srs.c \
	cli/check_store.c \
	cli/check_trouble.c \
	cli/check_world.c \
	cli/cli.h \
	cli/control.c cli/control.h \
	cli/door.c cli/door.h \
	cli/events.c \
	cli/forget.c \
	cli/forget_steps.c cli/forget_steps.h \
	cli/html.c cli/html.h \
	cli/identities.c \
	cli/init.c \
	cli/keeper.c cli/keeper.h \
	cli/log.c \
	cli/log_count.c cli/log_count.h \
	cli/log_page.c cli/log_page.h \
	cli/main.c \
	cli/options.c \
	cli/output.c cli/output.h \
	cli/placeholder.c cli/placeholder.h \
	cli/postfix.c cli/postfix.h \
	cli/postfix_list.c \
	cli/postfix_milter.c \
	cli/metrics.c \
	cli/prune.c \
	cli/prune_steps.c cli/prune_steps.h \
	cli/quota.c cli/quota.h \
	cli/report.c cli/report.h \
	cli/report_charts.c cli/report_parts.h \
	cli/report_html.c \
	cli/report_json.c \
	cli/report_style.c \
	cli/report_text.c \
	cli/rewrite.c \
	cli/run.c cli/run.h \
	cli/show.c \
	cli/smtp_password.c \
	cli/srs.c \
	cli/status.c \
	cli/steps.c cli/steps.h \
	cli/suppress.c \
	cli/verify.c \
	cli/when.c cli/when.h \
	cli/who.c cli/who.h \
	cli/width.c cli/width.h
cli_postern_LDADD = identity/libidentity.a ses/libses.a $(STORE_LIBS) \
	$(CORE_LIBS)
