-- SPDX-License-Identifier: BSD-2-Clause
--
-- The search database, PATH-search.db: a disposable projection of the journal.

CREATE TABLE state (
	name	TEXT PRIMARY KEY,
	value	INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
