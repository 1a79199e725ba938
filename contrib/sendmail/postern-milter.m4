dnl
dnl postern-milter.m4: Sendmail asks postern-milter to rewrite senders that SES
dnl has not verified, and finds the way back of SRS addresses.
dnl
dnl In sendmail.mc, after the MAILER() lines, beside postern.m4:
dnl
dnl	include(`/etc/mail/postern-milter.m4')
dnl
dnl Over TCP instead of the unix socket, before the include:
dnl
dnl	define(`POSTERN_MILTER', `inet:8891@127.0.0.1')
dnl
dnl The way back is a lookup for each address in a domain of this host (class
dnl w, /etc/mail/local-host-names), to which rewrite.srs-domain must belong. A
dnl Sendmail without SOCKETMAP ("sendmail -d0.1 -bt </dev/null" shows what it
dnl was built with; FreeBSD's is without) runs a program for those that look
dnl like SRS:
dnl
dnl	define(`POSTERN_SRS_MAP', `program /usr/local/bin/postern srs --map')
dnl
dnl It runs as DefaultUser, who may not read rewrite.secret and so asks the
dnl milter: let his group connect, and nobody else, since whoever may can have
dnl SRS addresses resolved ("socketmap = unix:...:0660:mailnull" in
dnl postern.conf, where mailnull is the group of DefaultUser).
dnl
dnl Without SRS (rewrite.default is another, and so is the table) neither is
dnl needed:
dnl
dnl	define(`POSTERN_SRS_MAP', `')
dnl
dnl Where sendmail.mc masquerades (Debian's does, with masquerade_envelope),
dnl Sendmail would change once more what the milter made of a sender, and a
dnl bounce to that finds no way back. Except the SRS domain, before the MAILER()
dnl lines:
dnl
dnl	MASQUERADE_EXCEPTION(`example.com')
dnl
dnl F=T puts mail off while the milter is down. Without it ("F=" left out) mail
dnl is taken all the same: posternd rewrites senders by the same rules, but who
dnl submitted it is not on record then.
dnl
dnl Mail from the world should not go through the milter. Where Sendmail takes
dnl that as well, give the milter to the daemon for submission only:
dnl
dnl	DAEMON_OPTIONS(`Name=MTA, Port=smtp, InputMailFilters=')
dnl	DAEMON_OPTIONS(`Name=MSA, Port=587, M=E, InputMailFilters=postern')
dnl
divert(-1)
ifdef(`POSTERN_MILTER',,
	`define(`POSTERN_MILTER', `local:/run/postern/milter.sock')')
ifdef(`POSTERN_SRS_MAP',,
	`define(`POSTERN_SRS_MAP', `socket local:/run/postern/socketmap.sock')')
INPUT_MAIL_FILTER(`postern', `S=POSTERN_MILTER, F=T, T=C:30s;S:30s;R:30s;E:5m')

ifelse(defn(`POSTERN_SRS_MAP'), `',, `
LOCAL_CONFIG
# What looks like SRS, and what it stands for
Kposternlooks regex -a@ ^[Ss][Rr][Ss][01][-=+]
Ksrs POSTERN_SRS_MAP

LOCAL_RULE_0
# An SRS address of ours is its original.
R$+ < @ $=w . >		$: $(posternlooks $1 $: $) $| $1 < @ $2 . >
R$+ $| $+ < @ $+ . >	$: $(srs $2@$3 $: $) $| $2 < @ $3 . >
R$| $+			$1
R$+ $| $+		$@ $>parse $>canonify $1
')dnl
divert(-1)
