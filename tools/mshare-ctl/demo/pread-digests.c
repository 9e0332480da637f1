// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The other side of the demo: what pread(2) sees in a file, slice by slice.
 * It knows nothing of containers.
 *
 *   pread-digests digests FILE BASE LENGTH SLICE   "offset length sha256"
 *   pread-digests words FILE BASE LENGTH SLICE     "offset first-8-bytes"
 *
 * BASE is added to the offsets that are printed, in hex.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

static bool read_all(int fd, void *buf, size_t len, off_t pos)
{
	while (len) {
		ssize_t got = pread(fd, buf, len, pos);

		if (got <= 0)
			return false;
		buf = (char *)buf + got;
		pos += got;
		len -= got;
	}
	return true;
}

static bool print_digest(const unsigned char *buf, size_t len)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int i, digest_len;

	if (!EVP_Digest(buf, len, digest, &digest_len, EVP_sha256(), NULL))
		return false;
	printf(" %zu ", len);
	for (i = 0; i < digest_len; i++)
		printf("%02x", digest[i]);
	return true;
}

static bool print_word(const unsigned char *buf)
{
	uint64_t word;

	memcpy(&word, buf, sizeof(word));
	printf(" %016" PRIx64, word);
	return true;
}

int main(int argc, char **argv)
{
	unsigned long long base, length, slice, pos;
	unsigned char *buf;
	bool words;
	int fd;

	if (argc != 6) {
		fputs("usage: pread-digests digests|words FILE BASE LENGTH SLICE\n",
		      stderr);
		return 2;
	}
	words = !strcmp(argv[1], "words");
	base = strtoull(argv[3], NULL, 0);
	length = strtoull(argv[4], NULL, 0);
	slice = strtoull(argv[5], NULL, 0);
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	buf = malloc(slice);
	if (fd < 0 || !buf || !slice) {
		fprintf(stderr, "pread-digests: %s: %m\n", argv[2]);
		return 1;
	}
	for (pos = 0; pos < length; pos += slice) {
		size_t len = length - pos < slice ? length - pos : slice;

		if (words)
			len = sizeof(uint64_t);
		printf("%llx", base + pos);
		if (!read_all(fd, buf, len, pos) ||
		    !(words ? print_word(buf) : print_digest(buf, len))) {
			fprintf(stderr, "pread-digests: %s at %llu: %m\n",
				argv[2], pos);
			return 1;
		}
		putchar('\n');
	}
	return fflush(stdout) ? 1 : 0;
}
