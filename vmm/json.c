#include "vmm/json.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the UTF-8 sequence at s, 0: there is none. RFC 3629: no overlong ones, no
 * surrogates, nothing above U+10FFFF. */
static unsigned utf8_length(const unsigned char *s)
{
	static const struct {
		uint8_t first_min, first_max, second_min, second_max, length;
	} forms[] = {
		{0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
			continue;
		if (forms[i].length == 1)
			return 1;
		if (s[1] < forms[i].second_min || s[1] > forms[i].second_max)
			return 0;
		for (unsigned j = 2; j < forms[i].length; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

void json_put_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		unsigned n = utf8_length(s);
		if (!n) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < ' ' || *s == 0x7f) {
			fprintf(out, "\\u%04x", *s);
		} else {
			fwrite(s, 1, n, out);
		}
		s += n;
	}
	fputc('"', out);
}

const json_t *json_member(const json_t *j, const char *key)
{
	char part[64];

	for (;;) {
		size_t len = strcspn(key, ".");

		snprintf(part, sizeof(part), "%.*s", (int)len, key);
		j = json_object_get(j, part);
		if (!key[len])
			return j;
		key += len + 1;
	}
}
