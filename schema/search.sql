-- SPDX-License-Identifier: BSD-2-Clause
--
-- The search database, PATH-search.db: a disposable projection of the journal.
-- It holds where to look, never what to show: every hit is read from the
-- journal and held against the question again.

-- whole: the journal's end was reached once. Until then counts are of a part.
-- first: the journal's first row when what it has no more left the counts.
CREATE TABLE progress (
	only	INTEGER PRIMARY KEY CHECK (only = 1),
	seq	INTEGER NOT NULL,
	chain	BLOB NOT NULL,
	at	INTEGER NOT NULL,
	whole	INTEGER NOT NULL,
	first	INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Deliveries in the order in which they arrived; at never falls as id grows.
CREATE TABLE found (
	id	INTEGER PRIMARY KEY,
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	at	INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX found_message ON found (message, n);

-- One row for each thing that a delivery can be found by. term is 64 bits of a
-- hash over what it is and its value; added in large sorted lots. part is the
-- id without its last 18 bits: what is added lies in the latest part, so that
-- adding costs the same however many parts there are, and a question asks them
-- one after the other.
CREATE TABLE posting (
	part	INTEGER NOT NULL,
	term	INTEGER NOT NULL,
	id	INTEGER NOT NULL,
	PRIMARY KEY (part, term, id)
) STRICT, WITHOUT ROWID;

-- Deliveries that are not simply sent (and delivered, as far as SES tells).
CREATE TABLE odd (
	id	INTEGER PRIMARY KEY,
	state	TEXT,
	feedback TEXT
) STRICT;
CREATE INDEX odd_state ON odd (state, id) WHERE state IS NOT NULL;
CREATE INDEX odd_feedback ON odd (feedback, id) WHERE feedback IS NOT NULL;

-- The rest: what is sent, and what is delivered. A bit for each of the 64 ids
-- from 64 * block on.
CREATE TABLE plain (
	what	TEXT NOT NULL,
	block	INTEGER NOT NULL,
	bits	INTEGER NOT NULL,
	PRIMARY KEY (what, block)
) STRICT, WITHOUT ROWID;

-- The journal's rows about a message.
CREATE TABLE trail (
	message	BLOB NOT NULL,
	n	INTEGER NOT NULL,
	seq	INTEGER NOT NULL,
	PRIMARY KEY (message, n, seq)
) STRICT, WITHOUT ROWID;

-- How many rows of each kind the journal has for each day (UTC, days since
-- 1970). kind is the event; of what SES reported event:TYPE, for bounces
-- event:Bounce:KIND, and unmatched where it belongs to no delivery.
CREATE TABLE tally (
	day	INTEGER NOT NULL,
	kind	TEXT NOT NULL,
	count	INTEGER NOT NULL,
	PRIMARY KEY (day, kind)
) STRICT, WITHOUT ROWID;
