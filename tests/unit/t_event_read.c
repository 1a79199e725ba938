/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/event_read.h"

#define ID "0100018f00000001-11111111-2222-4333-8444-555555555555-000000"
#define MAIL                                                               \
	"\"mail\":{\"timestamp\":\"2026-08-01T10:00:00.101Z\",\"source\":" \
	"\"Shop <shop@example.com>\",\"messageId\":\"" ID "\","            \
	"\"destination\":[\"ann@example.net\"],\"tags\":{\"job\":[\"42\"],"    \
	"\"postern\":[\"0198c0de-0000-7000-8000-00000000002a-3-2\"]}}"
#define TAG " tag=0198c0de-0000-7000-8000-00000000002a-3-2"

/* An event in words: what there is of it. */
static void
describe(const struct event *e, unsigned element, struct buf *out)
{
	const struct {
		const char *name, *value;
	} texts[] = { { "kind", e->kind }, { "subtype", e->subtype },
		{ "action", e->action }, { "fid", e->feedback_id },
		{ "dsn", e->dsn }, { "text", e->text },
		{ "feedback", event_feedback(e) },
		{ "suppresses", event_suppresses(e) } };
	char tag[EVENT_TAG_LEN];

	assert_string_equal(e->ses_id, ID);
	if (element > 0)
		buf_addf(out, "%u:", element);
	buf_addf(out, "%s +%" PRId64, e->type,
	    (e->time - INT64_C(1785578400000000)) / 1000);
	assert_true(e->accepted == INT64_C(1785578400101000) ||
	    e->accepted == 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].value != NULL)
			buf_addf(out, " %s=%s", texts[i].name, texts[i].value);
	event_tag(e, tag);
	if (e->tagged)
		buf_addf(out, " tag=%s", tag);
	buf_addc(out, '\n');
}

static int
note(void *arg, unsigned element, struct event *e, const char *why)
{
	struct event again;
	struct buf *out = arg, wire;
	struct err err;

	if (e == NULL) {
		if (element > 0)
			buf_addf(out, "%u:", element);
		buf_addf(out, "%s\n", why != NULL ? why : "(nothing)");
		return 0;
	}
	describe(e, element, out);
	/* Over the control socket nothing of it is lost. */
	buf_init(&wire, 65536);
	event_json(e, &wire);
	assert_int_equal(event_parse(wire.data, &again, &err), 0);
	event_free(e);
	buf_reset(&wire);
	event_json(&again, &wire);
	assert_int_equal(event_parse(wire.data, e, &err), 0);
	event_free(&again);
	event_free(e);
	buf_free(&wire);
	return 0;
}

static struct event_reader *
new_reader(void)
{
	struct event_reader *r;
	struct err err;

	r = event_reader_new(&err);
	if (r == NULL)
		fail_msg("%s", err.text);
	return r;
}

static void
assert_read(const char *text, size_t len, const char *expected)
{
	struct event_reader *r = new_reader();
	struct buf out;

	buf_init(&out, (size_t)1024 * 1024);
	assert_int_equal(event_read(r, text, len, note, &out), 0);
	assert_string_equal(out.data, expected);
	buf_free(&out);
	event_reader_free(r);
}

static const struct {
	const char *record, *expected;
} records[] = {
	{ "{\"eventType\":\"Send\"," MAIL ",\"send\":{}}",
	    "Send +101" TAG "\n" },
	{ "{\"eventType\":\"Delivery\"," MAIL ",\"delivery\":{\"timestamp\":"
	  "\"2026-08-01T10:00:01.480Z\",\"processingTimeMillis\":1e999,"
	  "\"recipients\":[\"ann@example.net\"],\"smtpResponse\":"
	  "\"250 2.0.0 Ok: queued as 4ABC\\r\\n\",\"reportingMTA\":\"a8-1\"}}",
	    "Delivery +1480 text=250 2.0.0 Ok: queued as 4ABC "
	    "feedback=delivered" TAG "\n" },
	{ "{\"eventType\":\"Bounce\"," MAIL ",\"bounce\":{\"bounceType\":"
	  "\"Permanent\",\"bounceSubType\":\"NoEmail\",\"bouncedRecipients\":["
	  "{\"emailAddress\":\"nobody@example.net\",\"action\":\"failed\","
	  "\"status\":\"5.1.1\",\"diagnosticCode\":\"smtp; 550 5.1.1 unknown\""
	  "}],\"timestamp\":\"2026-08-01T10:00:02.000Z\",\"feedbackId\":\"F-1\""
	  ",\"reportingMTA\":\"dsn; a8-1\"}}",
	    "Bounce +2000 kind=Permanent subtype=NoEmail fid=F-1 dsn=5.1.1 "
	    "text=smtp; 550 5.1.1 unknown feedback=bounced "
	    "suppresses=bounce" TAG "\n" },
	{ "{\"eventType\":\"Bounce\"," MAIL ",\"bounce\":{\"bounceType\":"
	  "\"Permanent\",\"bounceSubType\":\"OnAccountSuppressionList\","
	  "\"bouncedRecipients\":[{}],\"timestamp\":"
	  "\"2026-08-01T10:00:02Z\",\"feedbackId\":\"F-2\"}}",
	    "Bounce +2000 kind=Permanent subtype=OnAccountSuppressionList "
	    "fid=F-2 feedback=bounced" TAG "\n" },
	{ "{\"eventType\":\"Bounce\"," MAIL ",\"bounce\":{\"bounceType\":"
	  "\"Transient\",\"bounceSubType\":\"MailboxFull\","
	  "\"bouncedRecipients\":[{\"action\":\"delayed\",\"status\":\"4.4.7\"}"
	  ",{\"action\":\"failed\",\"status\":\"5.2.2\"}],\"timestamp\":"
	  "\"2026-08-01T10:00:02Z\"}}",
	    "Bounce +2000 kind=Transient subtype=MailboxFull dsn=5.2.2 "
	    "feedback=bounced" TAG "\n" },
	{ "{\"notificationType\":\"Bounce\"," MAIL ",\"bounce\":{\"bounceType\""
	  ":\"Transient\",\"bouncedRecipients\":[{\"action\":\"delayed\","
	  "\"status\":\"none\"}],\"timestamp\":\"2026-08-01T10:00:02Z\"}}",
	    "Bounce +2000 kind=Transient action=delayed feedback=delayed" TAG
	    "\n" },
	{ "{\"eventType\":\"Complaint\"," MAIL ",\"complaint\":{"
	  "\"complainedRecipients\":[{\"emailAddress\":\"ann@example.net\"}],"
	  "\"timestamp\":\"2026-08-02T08:00:00.000Z\",\"feedbackId\":\"F-4\","
	  "\"complaintSubType\":null,\"userAgent\":\"FBL/1.0\","
	  "\"complaintFeedbackType\":\"abuse\"}}",
	    "Complaint +79200000 kind=abuse fid=F-4 feedback=complained "
	    "suppresses=complaint" TAG "\n" },
	{ "{\"eventType\":\"Complaint\"," MAIL ",\"complaint\":{\"timestamp\":"
	  "\"2026-08-01T10:00:02Z\",\"complaintFeedbackType\":\"not-spam\"}}",
	    "Complaint +2000 kind=not-spam" TAG "\n" },
	{ "{\"eventType\":\"Complaint\"," MAIL ",\"complaint\":{\"timestamp\":"
	  "\"2026-08-01T10:00:02Z\",\"complaintSubType\":"
	  "\"OnAccountSuppressionList\"}}",
	    "Complaint +2000 subtype=OnAccountSuppressionList "
	    "feedback=complained" TAG "\n" },
	{ "{\"eventType\":\"Reject\"," MAIL ",\"reject\":{\"reason\":"
	  "\"Bad content\"}}",
	    "Reject +101 text=Bad content feedback=rejected" TAG "\n" },
	{ "{\"eventType\":\"DeliveryDelay\"," MAIL ",\"deliveryDelay\":{"
	  "\"timestamp\":\"2026-08-01T10:05:00.000Z\",\"delayType\":"
	  "\"MailboxFull\",\"expirationTime\":\"2026-08-02T00:00:00.101Z\","
	  "\"delayedRecipients\":[{\"emailAddress\":\"full@example.net\","
	  "\"status\":\"4.2.2\",\"diagnosticCode\":\"smtp; 452 4.2.2 full\"}]}}",
	    "DeliveryDelay +300000 kind=MailboxFull dsn=4.2.2 "
	    "text=smtp; 452 4.2.2 full feedback=delayed" TAG "\n" },
	{ "{\"eventType\":\"Rendering Failure\"," MAIL ",\"failure\":{"
	  "\"errorMessage\":\"Attribute 'x' is not present\"}}",
	    "Rendering Failure +101 text=Attribute 'x' is not present" TAG
	    "\n" },
	{ "{\"eventType\":\"Open\"," MAIL ",\"open\":{\"timestamp\":"
	  "\"2026-08-01T10:00:03Z\",\"ipAddress\":\"192.0.2.1\"}}",
	    "Open +3000" TAG "\n" },
	/* What is not known yet. */
	{ "{\"eventType\":\"Something New\",\"more\":[1]," MAIL "}",
	    "Something New +101" TAG "\n" },
	/* Without tag, or with one that is not ours. */
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"" ID
	  "\",\"timestamp\":\"2026-08-01T10:00:00.101Z\"}}",
	    "Send +101\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"" ID
	  "\",\"timestamp\":\"2026-08-01T10:00:00.101Z\",\"tags\":{\"postern\":"
	  "[\"0198c0de-0000-7000-8000-00000000002a--3-2\"]}}}",
	    "Send +101\n" },
	/* What SNS says of itself. */
	{ "{\"notificationType\":\"AmazonSnsSubscriptionSucceeded\","
	  "\"message\":\"You have successfully subscribed\"}",
	    "(nothing)\n" },
	{ "{\"Type\":\"Notification\",\"Message\":\"Successfully validated SNS "
	  "topic for Amazon SES event publishing.\"}",
	    "(nothing)\n" },
	/* None of ours. */
	{ "{}", "it is no event of SES's\n" },
	{ "[]", "" },
	{ "{\"version\":\"0\",\"source\":\"aws.ec2\",\"detail\":{\"state\":"
	  "\"running\"}}",
	    "it is no event of SES's\n" },
	{ "{\"Type\":\"SubscriptionConfirmation\",\"Message\":\"You have "
	  "chosen\",\"SubscribeURL\":\"https://example\"}",
	    "a subscription to an SNS topic waits for somebody to visit its "
	    "SubscribeURL\n" },
	/* Hostile, or broken. */
	{ "{\"eventType\":5," MAIL "}", "its type is none of SES's\n" },
	{ "{\"eventType\":\"<b>\"," MAIL "}", "its type is none of SES's\n" },
	{ "{\"eventType\":\"Send\"}", "mail.messageId is no id of SES's\n" },
	{ "{\"eventType\":\"Send\",\"mail\":[]}",
	    "mail.messageId is no id of SES's\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"a b\"}}",
	    "mail.messageId is no id of SES's\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"A\","
	  "\"timestamp\":\"now\"}}",
	    "it has no time\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"A\","
	  "\"timestamp\":99999999999999999999}}",
	    "it has no time\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"messageId\":\"A\","
	  "\"timestamp\":\"2026-13-41T99:00:00Z\"}}",
	    "it has no time\n" },
	{ "{\"eventType\":\"Send\",\"mail\":{\"x\":1.2.3}}", "it is no JSON\n" },
	{ "{\"eventType\":\"Send\",\"x\":truth}", "it is no JSON\n" },
	{ "{\"Type\":\"Notification\",\"Message\":\"{\\\"eventType\\\":\"}",
	    "it is no JSON\n" },
	{ "{\"eventType\":\"Send\",\"x\":\"\xff\"}", "it is no UTF-8\n" },
	{ "{\"Records\":[{\"data\":\"***\"},{\"data\":\"/w==\"}]}",
	    "1:it is no event of SES's\n2:it is no event of SES's\n" },
	{ "{\"eventType\":\"Bounce\"," MAIL ",\"bounce\":\"no object\"}",
	    "Bounce +101 feedback=bounced" TAG "\n" },
	{ "{\"eventType\":\"Bounce\"," MAIL ",\"bounce\":{\"bounceType\":7,"
	  "\"bounceSubType\":\"a\\nb\",\"bouncedRecipients\":{\"x\":[1]}}}",
	    "Bounce +101 feedback=bounced" TAG "\n" },
};

static void
test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_read(records[i].record, strlen(records[i].record),
		    records[i].expected);
}

/* The ways of wrapping a record; the result is to be freed. */
typedef char *wrapping(const char *record);

static char *
quoted(const char *record)
{
	struct buf out;

	buf_init(&out, (size_t)1024 * 1024);
	json_string(&out, record);
	return buf_take(&out);
}

static char *
within(const char *before, char *inner, const char *after)
{
	char *text = mem_printf("%s%s%s", before, inner, after);

	free(inner);
	return text;
}

static char *
sns(const char *record)
{
	return within("{\"Type\":\"Notification\",\"MessageId\":\"6f0e\","
		      "\"TopicArn\":\"arn:aws:sns:x\",\"Message\":",
	    quoted(record), ",\"SignatureVersion\":\"1\"}");
}

static char *
event_bridge(const char *record)
{
	return within("{\"version\":\"0\",\"detail-type\":\"Email Sent\","
		      "\"source\":\"aws.ses\",\"detail\":",
	    mem_strdup(record), "}");
}

static char *
sqs(const char *record)
{
	return within("{\n  \"Messages\": [\n    {\"ReceiptHandle\":\"x\","
		      "\"Body\":",
	    quoted(record), "}]}");
}

static char *
lambda_sqs(const char *record)
{
	return within("{\"Records\":[{\"messageId\":\"1\",\"body\":",
	    quoted(record), "}]}");
}

static char *
lambda_sns(const char *record)
{
	return within("{\"Records\":[{\"EventSource\":\"aws:sns\",\"Sns\":",
	    sns(record), "}]}");
}

static char *
firehose(const char *record)
{
	return within("{\"records\":[{\"recordId\":\"1\",\"data\":\"",
	    base64_text(record, strlen(record)), "\"}]}");
}

static char *
list(const char *record)
{
	return within("[", mem_strdup(record), "]");
}

static wrapping *const wrappings[] = { sns, event_bridge, sqs, lambda_sqs,
	lambda_sns, firehose, list };
#define NWRAPPINGS (sizeof(wrappings) / sizeof(wrappings[0]))

static int
count_good(void *arg, unsigned element, struct event *e, const char *why)
{
	unsigned *good = arg;

	(void)element;
	assert_null(why);
	assert_non_null(e);
	assert_string_equal(e->ses_id, ID);
	assert_true(e->tagged);
	assert_string_equal(e->type, "Bounce");
	event_free(e);
	++*good;
	return 0;
}

/* Each wrapping in each other. */
static void
test_wrappings(void **state)
{
	const char *record = records[2].record;
	struct event_reader *r = new_reader();
	char *inner, *outer;
	unsigned good = 0;

	(void)state;
	for (size_t i = 0; i < NWRAPPINGS; i++) {
		inner = wrappings[i](record);
		assert_int_equal(event_read(r, inner, strlen(inner),
				     count_good, &good), 0);
		for (size_t k = 0; k < NWRAPPINGS; k++) {
			outer = wrappings[k](inner);
			assert_int_equal(event_read(r, outer, strlen(outer),
					     count_good, &good), 0);
			free(outer);
		}
		free(inner);
	}
	assert_int_equal(good, NWRAPPINGS + NWRAPPINGS * NWRAPPINGS);
	event_reader_free(r);
}

/* The bad ones of a list are named by their place, the others are taken. */
static void
test_mixed_list(void **state)
{
	char *text = mem_printf("{\"Messages\":[{\"Body\":\"x\"},{},7,%s]}",
	    records[0].record);

	(void)state;
	assert_read(text, strlen(text),
	    "1:it is no JSON\n2:it is no event of SES's\n"
	    "3:it is no event of SES's\n4:Send +101" TAG "\n");
	free(text);
}

static void
test_wrapped_too_often(void **state)
{
	char *text = mem_strdup(records[0].record), *outer;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		outer = event_bridge(text);
		free(text);
		text = outer;
	}
	assert_read(text, strlen(text), "it is wrapped too often\n");
	free(text);
}

/* Far deeper than the splitter lets through, within a string. */
static void
test_depth_in_a_string(void **state)
{
	enum { DEEP = 100000 };
	char *deep = mem_new(DEEP + 1), *text;

	(void)state;
	memset(deep, '[', DEEP);
	text = sns(deep);
	assert_read(text, strlen(text), "it is no JSON\n");
	free(text);
	free(deep);
}

static void
test_long_words(void **state)
{
	enum { LONG = 300000 };
	char *words = mem_new(LONG + 1), *text;
	struct event_reader *r = new_reader();
	struct buf out;

	(void)state;
	memset(words, 'x', LONG);
	for (size_t i = 31; i < LONG; i += 32)
		words[i] = ' ';
	text = mem_printf("{\"eventType\":\"Reject\"," MAIL ",\"reject\":"
			  "{\"reason\":\"%s\"}}",
	    words);
	buf_init(&out, 10000);
	assert_int_equal(event_read(r, text, strlen(text), note, &out), 0);
	assert_int_equal(strspn(strstr(out.data, "text=") + 5, "x "),
	    EVENT_TEXT_MAX / 32 * 32);
	free(text);
	text = mem_printf("{\"eventType\":\"%s\"," MAIL "}", words);
	assert_read(text, strlen(text), "its type is none of SES's\n");
	free(text);
	free(words);
	buf_free(&out);
	event_reader_free(r);
}

static void
test_key(void **state)
{
	int64_t key = event_key("Bounce", "A", "F", 1);

	(void)state;
	assert_true(key == event_key("Bounce", "A", "F", 2));
	assert_true(key != event_key("Complaint", "A", "F", 1));
	assert_true(key != event_key("Bounce", "B", "F", 1));
	assert_true(key != event_key("Bounce", "A", "G", 1));
	assert_true(event_key("Open", "A", NULL, 1) !=
	    event_key("Open", "A", NULL, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_wrappings),
		cmocka_unit_test(test_mixed_list),
		cmocka_unit_test(test_wrapped_too_often),
		cmocka_unit_test(test_depth_in_a_string),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
