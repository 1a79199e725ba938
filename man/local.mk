dist_man_MANS += man/postern-sandbox.1
dist_man_MANS += man/postern.1
dist_man_MANS += man/postern-journal.5
dist_man_MANS += man/postern.conf.5
dist_man_MANS += man/postern-milter.8
dist_man_MANS += man/posternd.8
dist_man_MANS += man/postern-replies.7
