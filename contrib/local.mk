EXTRA_DIST += contrib/install-missing.sh contrib/quickstart.sh \
	contrib/sendmail/postern.m4 contrib/systemd/posternd.service \
	contrib/tmpfiles.d/postern.conf contrib/rc.d/posternd \
	contrib/prometheus/README contrib/prometheus/postern.rules.yml \
	contrib/grafana/postern.json
