-- SPDX-License-Identifier: BSD-2-Clause
--
-- The journal and what is projected from it. schema/README says what each
-- table and column promises; store/ is the only code that writes here.
--
-- Tables that grow with mail have keys that grow with time (a seq, or a UUIDv7),
-- so that new rows land on the same few pages whatever the size of the whole.
-- The exception is digest, which is kept small.

PRAGMA application_id = 0x506f7374;

CREATE TABLE journal (
	seq	INTEGER PRIMARY KEY,
	at	INTEGER NOT NULL,
	boot	INTEGER NOT NULL,
	mono	INTEGER NOT NULL,
	event	TEXT NOT NULL,
	message	BLOB CHECK (message IS NULL OR length(message) = 16),
	n	INTEGER NOT NULL CHECK (n >= 0),
	detail	TEXT NOT NULL,
	chain	BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

CREATE TABLE message (
	id	BLOB PRIMARY KEY CHECK (length(id) = 16),
	received_at INTEGER NOT NULL,
	digest	BLOB,
	size	INTEGER NOT NULL,
	queue_ids TEXT,
	header_message_id TEXT,
	salt	BLOB,
	repairs	TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE party (
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	role	TEXT NOT NULL,
	value	TEXT,
	salt	BLOB,
	PRIMARY KEY (message, n, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	state	TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent',
		'deferred', 'refused', 'doubtful')),
	attempts INTEGER NOT NULL,
	ses_id	TEXT,
	code	INTEGER,
	dsn	TEXT,
	reply	TEXT,
	feedback TEXT CHECK (feedback IN ('complained', 'bounced', 'rejected',
		'delivered', 'delayed')),
	sent_at	INTEGER,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

-- Holds only what is under way at this moment, so that a start after a crash
-- finds it without reading the whole table.
CREATE INDEX delivery_sending ON delivery (message, n)
    WHERE state = 'sending';

-- One row for each `event` row of the journal, so that no report is taken twice.
-- key is a hash over what makes two reports the same one.
CREATE TABLE event (
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	key	INTEGER NOT NULL,
	seq	INTEGER NOT NULL,
	attempt	INTEGER,
	PRIMARY KEY (message, n, key)
) STRICT, WITHOUT ROWID;

-- The same for those that belong to no delivery known. SES's ids begin with
-- the time, so these grow at their end, too.
CREATE TABLE unmatched (
	ses_id	TEXT NOT NULL,
	key	INTEGER NOT NULL,
	seq	INTEGER NOT NULL,
	PRIMARY KEY (ses_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX unmatched_seq ON unmatched (seq);

CREATE TABLE digest (
	digest	BLOB PRIMARY KEY,
	message	BLOB NOT NULL,
	at	INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a job that goes in small steps has got to.
CREATE TABLE mark (
	name	TEXT PRIMARY KEY,
	value	BLOB
) STRICT, WITHOUT ROWID;

-- One row for each `suppressed` row of the journal.
CREATE TABLE suppression (
	seq	INTEGER PRIMARY KEY,
	address	TEXT,
	salt	BLOB,
	reason	TEXT NOT NULL,
	since	INTEGER NOT NULL,
	until	INTEGER
) STRICT;

-- Looked up for each bounce; the table is small beside the others.
CREATE INDEX suppression_address ON suppression (address)
    WHERE address IS NOT NULL;

CREATE TABLE pruned (
	seq	INTEGER PRIMARY KEY,
	last_seq INTEGER NOT NULL,
	last_chain BLOB NOT NULL,
	archive	TEXT NOT NULL
) STRICT;

CREATE TABLE erased (
	seq	INTEGER NOT NULL,
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	role	TEXT NOT NULL,
	PRIMARY KEY (message, n, role)
) STRICT, WITHOUT ROWID;

-- What follows stops accidents. Intent shows in the chain.

-- REPLACE would delete without asking the trigger for DELETE.
CREATE TRIGGER journal_grows_at_its_end BEFORE INSERT ON journal
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
BEGIN
	SELECT raise(ABORT, 'the journal grows only at its end');
END;

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN
	SELECT raise(ABORT, 'the journal is never changed');
END;

CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
WHEN OLD.seq > (SELECT coalesce(max(last_seq), 0) FROM pruned)
BEGIN
	SELECT raise(ABORT, 'the journal loses only what prune has archived');
END;

CREATE TRIGGER pruned_is_chained BEFORE INSERT ON pruned
WHEN NOT EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq
    AND event = 'pruned'
    AND json_extract(detail, '$.last_seq') IS NEW.last_seq
    AND json_extract(detail, '$.last_chain') IS lower(hex(NEW.last_chain)))
BEGIN
	SELECT raise(ABORT, 'no row of the journal says so');
END;

CREATE TRIGGER pruned_no_update BEFORE UPDATE ON pruned
BEGIN
	SELECT raise(ABORT, 'what was pruned is never changed');
END;

CREATE TRIGGER pruned_no_delete BEFORE DELETE ON pruned
BEGIN
	SELECT raise(ABORT, 'what was pruned is never forgotten');
END;

CREATE TRIGGER party_only_erased BEFORE UPDATE ON party
WHEN NEW.message IS NOT OLD.message OR NEW.n IS NOT OLD.n
    OR NEW.role IS NOT OLD.role OR NEW.value IS NOT NULL
    OR NEW.salt IS NOT NULL
BEGIN
	SELECT raise(ABORT, 'a party is erased or left as it is');
END;
