// SPDX-License-Identifier: GPL-2.0
/*
 * A writer of JSON. It prints an array, with one line for each member.
 */
#include <stdio.h>

#include "planectl.h"

static struct {
	int depth;
	bool more;	/* the object or array has a member already */
} json;

/* Always valid JSON: bytes that are not ASCII may not be UTF-8, and are written as numbers. */
static void print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = *s;

		if (c < ' ' || c >= 0x7f)
			printf("\\u%04x", c);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void next(const char *key)
{
	if (json.more)
		fputs(json.depth == 1 ? "," : ", ", stdout);
	if (json.depth == 1)
		fputs("\n  ", stdout);
	if (key) {
		print_string(key);
		fputs(": ", stdout);
	}
	json.more = true;
}

/**
 * json_begin - begin an array or an object
 * @key: its name, if it is a member of an object; else NULL. The same holds for the functions below
 * @bracket: '[' or '{'
 */
void json_begin(const char *key, char bracket)
{
	if (json.depth)
		next(key);
	putchar(bracket);
	json.depth++;
	json.more = false;
}

void json_end(char bracket)
{
	json.depth--;
	if (!json.depth && json.more)
		putchar('\n');
	putchar(bracket);
	json.more = json.depth;
	if (!json.depth)
		putchar('\n');
}

void json_string(const char *key, const char *value)
{
	next(key);
	if (value)
		print_string(value);
	else
		fputs("null", stdout);
}

void json_int(const char *key, long long value)
{
	next(key);
	printf("%lld", value);
}

void json_uint(const char *key, unsigned long long value)
{
	next(key);
	printf("%llu", value);
}

void json_tenths(const char *key, double value)
{
	next(key);
	printf("%.1f", value);
}

void json_bool(const char *key, bool value)
{
	next(key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *key)
{
	json_string(key, NULL);
}
