dist_man_MANS += man/postern.1
dist_man_MANS += man/postern.conf.5
