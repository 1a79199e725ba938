-- SPDX-License-Identifier: BSD-2-Clause
--
-- What auditors read. Times are RFC 3339 in UTC, messages UUIDs as text.

CREATE VIEW audit AS
SELECT
	lower(substr(hex(d.message), 1, 8) || '-' ||
	    substr(hex(d.message), 9, 4) || '-' ||
	    substr(hex(d.message), 13, 4) || '-' ||
	    substr(hex(d.message), 17, 4) || '-' ||
	    substr(hex(d.message), 21)) AS message,
	d.n AS n,
	m.queue_ids AS queue_ids,
	strftime('%Y-%m-%dT%H:%M:%S', m.received_at / 1000000, 'unixepoch') ||
	    printf('.%06dZ', m.received_at % 1000000) AS received,
	CASE WHEN w.role IS NULL THEN s.value ELSE w.value END AS sender,
	CASE WHEN o.role IS NULL THEN s.value ELSE o.value END
	    AS original_sender,
	r.value AS recipient,
	c.value AS client,
	u.value AS user,
	d.state AS state,
	d.attempts AS attempts,
	d.ses_id AS ses_id,
	CASE WHEN d.code IS NULL THEN NULL ELSE
	    printf('%d %s %s', d.code, coalesce(d.dsn, ''),
		replace(coalesce(d.reply, ''), '{ses-id}',
		    coalesce(d.ses_id, ''))) END AS reply,
	d.feedback AS feedback,
	strftime('%Y-%m-%dT%H:%M:%S', d.updated_at / 1000000, 'unixepoch') ||
	    printf('.%06dZ', d.updated_at % 1000000) AS updated
FROM delivery d
JOIN message m ON m.id = d.message
LEFT JOIN party s ON s.message = d.message AND s.n = 0 AND s.role = 'sender'
LEFT JOIN party w ON w.message = d.message AND w.n = 0
    AND w.role = 'rewritten'
LEFT JOIN party o ON o.message = d.message AND o.n = 0 AND o.role = 'original'
LEFT JOIN party r ON r.message = d.message AND r.n = d.n
    AND r.role = 'recipient'
LEFT JOIN party c ON c.message = d.message AND c.n = 0 AND c.role = 'client'
LEFT JOIN party u ON u.message = d.message AND u.n = 0 AND u.role = 'user';

-- A row for each day (UTC) on which messages were received.
CREATE VIEW audit_daily AS
SELECT
	date(m.received_at / 1000000, 'unixepoch') AS day,
	count(DISTINCT m.id) AS messages,
	count(d.n) AS deliveries,
	count(*) FILTER (WHERE d.state = 'sent') AS sent,
	count(*) FILTER (WHERE d.state = 'deferred') AS deferred,
	count(*) FILTER (WHERE d.state = 'refused') AS refused,
	count(*) FILTER (WHERE d.state = 'doubtful') AS doubtful,
	count(*) FILTER (WHERE d.state IN ('waiting', 'sending')) AS open,
	coalesce(sum(d.attempts), 0) AS attempts,
	count(*) FILTER (WHERE d.feedback = 'delivered') AS delivered,
	count(*) FILTER (WHERE d.feedback = 'bounced') AS bounced,
	count(*) FILTER (WHERE d.feedback = 'complained') AS complained
FROM message m LEFT JOIN delivery d ON d.message = m.id
GROUP BY 1;

-- A row for each envelope sender before anybody rewrote it; erased ones share
-- NULL.
CREATE VIEW audit_senders AS
SELECT
	CASE WHEN o.role IS NULL THEN s.value ELSE o.value END AS sender,
	count(DISTINCT d.message) AS messages,
	count(*) AS deliveries,
	count(*) FILTER (WHERE d.state = 'sent') AS sent,
	count(*) FILTER (WHERE d.state = 'deferred') AS deferred,
	count(*) FILTER (WHERE d.state = 'refused') AS refused,
	count(*) FILTER (WHERE d.state = 'doubtful') AS doubtful,
	count(*) FILTER (WHERE d.feedback = 'bounced') AS bounced,
	count(*) FILTER (WHERE d.feedback = 'complained') AS complained
FROM delivery d
LEFT JOIN party s ON s.message = d.message AND s.n = 0 AND s.role = 'sender'
LEFT JOIN party o ON o.message = d.message AND o.n = 0 AND o.role = 'original'
GROUP BY 1;

-- What the last 24 hours have spent, by the wall clock. `at` never falls as
-- seq grows, so the first row of the window is found by halving; posternd's
-- own reckoning (`postern quota`) is exact where clocks were stepped.
CREATE VIEW quota_now AS
WITH RECURSIVE
since(at) AS (
	SELECT CAST(unixepoch() AS INTEGER) * 1000000 - 86400000000
),
half(lo, hi) AS (
	SELECT coalesce((SELECT min(seq) FROM journal), 1),
	    coalesce((SELECT max(seq) FROM journal), 0) + 1
	UNION ALL
	SELECT
		CASE WHEN (SELECT at FROM journal WHERE seq = (lo + hi) / 2)
		    < (SELECT at FROM since) THEN (lo + hi) / 2 + 1 ELSE lo END,
		CASE WHEN (SELECT at FROM journal WHERE seq = (lo + hi) / 2)
		    < (SELECT at FROM since) THEN hi ELSE (lo + hi) / 2 END
	FROM half WHERE lo < hi
),
dots AS (
	SELECT event, json_extract(detail, '$.attempt') AS attempt
	FROM journal
	WHERE seq >= (SELECT max(lo) FROM half)
	AND event IN ('sending', 'sent', 'deferred', 'refused', 'doubtful')
)
SELECT
	count(*) FILTER (WHERE event = 'sent') AS sent,
	count(*) FILTER (WHERE event = 'doubtful') AS doubtful,
	count(*) FILTER (WHERE event = 'sending') -
	    count(*) FILTER (WHERE event <> 'sending' AND attempt > 0) AS open,
	count(*) FILTER (WHERE event IN ('sent', 'doubtful')) +
	    max(0, count(*) FILTER (WHERE event = 'sending') -
	    count(*) FILTER (WHERE event <> 'sending' AND attempt > 0)) AS spent
FROM dots;
