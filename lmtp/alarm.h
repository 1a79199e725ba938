/*
 * alarm: one alarm for each change of state, for people.
 *
 * Logs an error, and runs daemon.alarm-command with the words on standard
 * input. Commands run one at a time in a thread of their own, each for a minute
 * at most, so that a slow one holds up nothing but later alarms.
 */
#ifndef LMTP_ALARM_H
#define LMTP_ALARM_H

struct alarm;

struct alarm *alarm_new(void);

/* Say what changed: a line for people. From any thread; returns at once. */
void alarm_raise(struct alarm *, const char *words);

#endif
