EXTRA_DIST += contrib/install-missing.sh contrib/quickstart.sh \
	contrib/sendmail/postern.m4 contrib/sendmail/postern-milter.m4 \
	contrib/systemd/posternd.service contrib/systemd/postern-milter.service \
	contrib/tmpfiles.d/postern.conf \
	contrib/rc.d/posternd contrib/rc.d/postern_milter \
	contrib/prometheus/README contrib/prometheus/postern.rules.yml \
	contrib/grafana/postern.json
