/*
 * A PROXY header, read as conn does: what is wanted, and no more. However it
 * is cut, the same is made of it; and no more is ever wanted than allowed.
 */
#include "proxy2.h"

#include "fuzz.h"

/* Reads at most step bytes at a time; how many were taken, or -1. */
static long
read_header(const uint8_t *data, size_t size, size_t step)
{
	size_t have = 0, n;
	int more;

	while ((more = proxy2_more(data, have)) > 0 && have < size) {
		must(have + (size_t)more <= PROXY2_MAX);
		n = (size_t)more < step ? (size_t)more : step;
		have += n < size - have ? n : size - have;
	}
	return more < 0 ? -1 : (long)have;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_storage sa;
	socklen_t len = 0;
	long n = read_header(data, size, PROXY2_MAX);
	uint8_t *whole;

	must(read_header(data, size, 1) == n);
	if (n < 0 || proxy2_more(data, (size_t)n) != 0)
		return 0;
	/* Nothing behind it is looked at. */
	whole = malloc((size_t)n);
	must(whole != NULL);
	memcpy(whole, data, (size_t)n);
	if (proxy2_source(whole, &sa, &len))
		must(len > 0 && len <= sizeof(sa));
	free(whole);
	return 0;
}
