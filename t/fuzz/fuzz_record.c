/*
 * The record file, as it is and with its checksum made right. A record that
 * is read is written so that it is read the same.
 */
#include "record.h"

#include <openssl/sha.h>

#include "fuzz.h"

static void
check(const char *p, size_t len)
{
	char text[RECORD_TEXT], again[RECORD_TEXT], why[256] = "";
	struct record r;
	struct epoch promised;
	size_t n;

	if (!record_decode(p, len, &r, &promised, why, sizeof(why))) {
		must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
		return;
	}
	n = record_encode(&r, promised, text);
	must(record_decode(text, n, &r, &promised, why, sizeof(why)));
	must(record_encode(&r, promised, again) == n);
	must(memcmp(text, again, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * sizeof(sum) + 1];
	struct buf b = BUF_INIT;

	check((const char *)data, size);
	SHA256(data, size, sum);
	util_hex(sum, sizeof(sum), hex);
	buf_add(&b, data, size);
	buf_addf(&b, "sum %s\n", hex);
	check(buf_data(&b), buf_len(&b));
	buf_free(&b);
	return 0;
}
