dnl
dnl postern.m4: a Sendmail mailer that hands everything to posternd by LMTP.
dnl
dnl In sendmail.mc, after the MAILER() lines (MAILER(smtp) must be among them):
dnl
dnl	define(`SMART_HOST', `postern:posternd')
dnl	include(`/etc/mail/postern.m4')
dnl
dnl Over TCP instead of the unix socket, before the include:
dnl
dnl	define(`POSTERN_MAILER_ARGS', `TCP 127.0.0.1 2424')
dnl
dnl It is the "relay" mailer of cf/mailer/smtp.m4, whose rulesets it uses, with
dnl z for LMTP: a relay, so none of the flags that mean local delivery (aliases,
dnl programs, files) and no Return-Path (P), a header that SES would check.
dnl
dnl Run the queue every minute ("sendmail -bd -q1m"): what does not get its turn
dnl within answer-within waits for the next run, and SES's allowance with it.
dnl
dnl One message may go to 50 recipients in one transaction (r=), which is what
dnl Postfix does as well; posternd answers for each of them on its own.
dnl
divert(-1)
ifdef(`POSTERN_SOCKET',,
	`define(`POSTERN_SOCKET', `/run/postern/lmtp.sock')')
ifdef(`POSTERN_MAILER_ARGS',,
	`define(`POSTERN_MAILER_ARGS', `FILE POSTERN_SOCKET')')
ifdef(`POSTERN_MAILER_FLAGS',, `define(`POSTERN_MAILER_FLAGS', `mDFMuXz8')')
ifdef(`POSTERN_MAILER_MAXRCPTS',, `define(`POSTERN_MAILER_MAXRCPTS', `50')')
MAILER_DEFINITIONS

#################################
###   posternd, by LMTP       ###
#################################

Mpostern,	P=[IPC], F=POSTERN_MAILER_FLAGS,
		S=EnvFromSMTP/HdrFromSMTP, R=MasqSMTP, E=\r\n, L=990,
		r=POSTERN_MAILER_MAXRCPTS, T=DNS/RFC822/SMTP,
		A=POSTERN_MAILER_ARGS
divert(-1)
