EXTRA_DIST += contrib/install-missing.sh contrib/quickstart.sh

# To $(pkgdatadir), for who installs from a package.
nobase_dist_pkgdata_DATA = \
	contrib/sendmail/postern.m4 contrib/sendmail/postern-milter.m4 \
	contrib/systemd/posternd.service contrib/systemd/postern-milter.service \
	contrib/tmpfiles.d/postern.conf \
	contrib/rc.d/posternd contrib/rc.d/postern_milter \
	contrib/prometheus/README contrib/prometheus/postern.rules.yml \
	contrib/grafana/postern.json

# In the sources pages and files name directories as Linux has them by custom
# (rc.d: FreeBSD); what is installed names those of this build, each put in once:
# they may look like those they replace.
OWN_PATHS = sed \
	-e 's|/usr/local/etc/postern|@sysconf@|g' \
	-e 's|/var/run/postern|@runstate@|g' \
	-e 's|/usr/local/sbin/postern|@sbin@/postern|g' \
	-e 's|/usr/local/bin/postern|@bin@/postern|g' \
	-e 's|/usr/local/share/postern|@pkgdata@|g' \
	-e 's|/usr/share/doc/postern|@doc@|g' \
	-e 's|/usr/sbin/postern|@sbin@/postern|g' \
	-e 's|/etc/postern|@sysconf@|g' \
	-e 's|/run/postern|@runstate@|g' \
	-e 's|/var/lib/postern|@localstate@/lib/postern|g' \
	-e 's|@sysconf@|$(sysconfdir)/postern|g' \
	-e 's|@runstate@|$(runstatedir)/postern|g' \
	-e 's|@localstate@|$(localstatedir)|g' \
	-e 's|@sbin@|$(sbindir)|g' \
	-e 's|@bin@|$(bindir)|g' \
	-e 's|@pkgdata@|$(pkgdatadir)|g' \
	-e 's|@doc@|$(docdir)|g'

install-data-hook:
	for f in $(nobase_dist_pkgdata_DATA); do \
		$(OWN_PATHS) "$(srcdir)/$$f" >"$(DESTDIR)$(pkgdatadir)/$$f" || \
			exit 1; \
	done
	for f in $(nobase_dist_doc_DATA); do \
		$(OWN_PATHS) "$(srcdir)/$$f" >"$(DESTDIR)$(docdir)/$$f" || \
			exit 1; \
	done
	for f in $(dist_man_MANS); do \
		$(OWN_PATHS) "$(srcdir)/$$f" \
			>"$(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/}" || \
			exit 1; \
	done
