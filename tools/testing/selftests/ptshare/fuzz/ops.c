// SPDX-License-Identifier: GPL-2.0
/*
 * ptfuzz: the table of operations, and programs as text: a line for each, with
 * the worker, the name, and what is not 0 of its fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Sizes of the files; two have room for huge pages. */
const __u32 fz_file_pages[FZ_FILES] = { 1024, 512, 40, 24 };

const struct fz_field_desc fz_fields[F_FIELDS] = {
	[F_W]		= { "w", T_SMALL, FZ_WORKERS - 1 },
	[F_C]		= { "c", T_SMALL, FZ_CONTS - 1, 5 },
	[F_VIA]		= { "via", T_SMALL, VIAS - 1, 30 },
	[F_BAD]		= { "bad", T_SMALL, BADS - 1, 16 },
	[F_FILE]	= { "file", T_SMALL, FZ_FILE_KINDS - 1 },
	[F_PROT]	= { "prot", T_SMALL, 15 },
	[F_OFF]		= { "off", T_PAGE, FZ_PAGES - 1 },
	[F_LEN]		= { "len", T_PAGES, FZ_PAGES },
	[F_SKEW]	= { "skew", T_SMALL, SKEWS - 1, 30 },
	[F_POS]		= { "pos", T_FPAGE, FZ_FILE_PAGES },
	[F_BYTE]	= { "byte", T_BYTE, FZ_PAGE - 1 },
	[F_BYTES]	= { "bytes", T_BYTES, FZ_DATA },
	[F_FLAGS]	= { "flags", T_MASK, 3 },
	[F_N]		= { "n", T_SMALL, FZ_NFDS - 1 },
	[F_MODE]	= { "mode", T_SMALL, 3 },
	[F_KERN]	= { "kern", T_SMALL, 3, 3 },
	[F_CLOSE]	= { "close", T_SMALL, 2, 4 },
	[F_TIME]	= { "time", T_SMALL, 2, 3 },
	[F_ACT]		= { "act", T_SMALL, 3 },
	[F_CATS]	= { "cats", T_SMALL, 17 },
	[F_MAX]		= { "max", T_SMALL, 40, 4 },
	[F_ROOM]	= { "room", T_SMALL, FZ_TOLD, 4 },
	[F_WIN]		= { "win", T_SMALL, FZ_WINS - 1, 3 },
	[F_AT]		= { "at", T_SMALL, ATS - 1, 2 },
	[F_KIND]	= { "kind", T_SMALL, 15 },
	[F_PEER]	= { "peer", T_SMALL, FZ_WORKERS - 1 },
	[F_BY]		= { "by", T_SMALL, BYS - 1, 12 },
	[F_NR]		= { "nr", T_SMALL, FZ_TOUCHES - 1, 2 },
};

const struct fz_op_desc fz_ops[OP_KINDS] = {
	[OP_CREATE] = { "create", 6, {
		F_W, F_VIA, F_BAD, F_LEN, F_SKEW, F_PROT, -1,
	} },
	[OP_INFO] = { "info", 10, {
		F_W, F_C, F_VIA, F_BAD, -1,
	} },
	[OP_MAP] = { "map", 80, {
		F_W, F_C, F_VIA, F_BAD, F_FILE, F_PROT, F_OFF, F_LEN, F_SKEW,
		F_POS, F_FLAGS, -1,
	} },
	[OP_UNMAP] = { "unmap", 22, {
		F_W, F_C, F_VIA, F_BAD, F_OFF, F_LEN, F_SKEW, -1,
	} },
	[OP_PROTECT] = { "protect", 60, {
		F_W, F_C, F_VIA, F_BAD, F_PROT, F_OFF, F_LEN, F_SKEW, F_NR,
		F_FLAGS, -1,
	} },
	[OP_QUERY] = { "query", 14, {
		F_W, F_C, F_VIA, F_BAD, F_OFF, F_SKEW, F_ROOM, -1,
	} },
	[OP_ATTACH] = { "attach", 5, {
		F_W, F_C, F_VIA, F_BAD, -1,
	} },
	[OP_SEAL] = { "seal", 2, {
		F_W, F_C, F_VIA, F_BAD, F_KIND, -1,
	} },
	[OP_NOTIFY] = { "notify", 18, {
		F_W, F_C, F_VIA, F_BAD, F_N, F_MAX, -1,
	} },
	[OP_NCLOSE] = { "nclose", 5, {
		F_W, F_N, -1,
	} },
	[OP_ARM] = { "arm", 45, {
		F_W, F_VIA, F_BAD, F_N, F_OFF, F_LEN, F_SKEW, F_MODE, F_KERN,
		F_CLOSE, F_TIME, -1,
	} },
	[OP_RESOLVE] = { "resolve", 25, {
		F_W, F_VIA, F_BAD, F_N, F_OFF, F_LEN, F_SKEW, F_ACT, -1,
	} },
	[OP_SCAN] = { "scan", 25, {
		F_W, F_VIA, F_BAD, F_N, F_OFF, F_LEN, F_SKEW, F_CATS, F_MAX,
		F_ROOM, F_FLAGS, -1,
	} },
	[OP_NREAD] = { "nread", 18, {
		F_W, F_N, F_ROOM, F_BAD, -1,
	} },
	[OP_WMAP] = { "wmap", 45, {
		F_W, F_C, F_VIA, F_OFF, F_LEN, F_WIN, F_AT, F_FLAGS, -1,
	} },
	[OP_WUNMAP] = { "wunmap", 12, {
		F_W, F_WIN, F_OFF, F_KIND, -1,
	} },
	[OP_WREMAP] = { "wremap", 4, {
		F_W, F_WIN, F_KIND, -1,
	} },
	[OP_WPROT] = { "wprot", 4, {
		F_W, F_WIN, F_PROT, F_KIND, -1,
	} },
	[OP_WADVISE] = { "wadvise", 8, {
		F_W, F_WIN, F_OFF, F_LEN, F_KIND, -1,
	} },
	[OP_WLOCK] = { "wlock", 4, {
		F_W, F_WIN, F_KIND, -1,
	} },
	[OP_WMISC] = { "wmisc", 6, {
		F_W, F_C, F_WIN, F_KIND, -1,
	} },
	[OP_TOUCH] = { "touch", 170, {
		F_W, F_WIN, F_OFF, F_BYTE, F_KIND, F_NR, F_BY, -1,
	} },
	[OP_POPULATE] = { "populate", 14, {
		F_W, F_WIN, F_OFF, F_LEN, F_KIND, -1,
	} },
	[OP_IO] = { "io", 60, {
		F_W, F_WIN, F_OFF, F_BYTE, F_BYTES, F_FILE, F_POS, F_KIND, -1,
	} },
	[OP_PEER] = { "peer", 25, {
		F_W, F_PEER, F_WIN, F_OFF, F_BYTE, F_BYTES, F_KIND, -1,
	} },
	[OP_PWRITE] = { "pwrite", 25, {
		F_W, F_FILE, F_POS, F_BYTE, F_BYTES, -1,
	} },
	[OP_PREAD] = { "pread", 8, {
		F_W, F_FILE, F_POS, F_BYTE, F_BYTES, -1,
	} },
	[OP_TRUNC] = { "trunc", 16, {
		F_W, F_FILE, F_POS, F_BYTE, -1,
	} },
	[OP_PUNCH] = { "punch", 16, {
		F_W, F_FILE, F_POS, F_BYTE, F_LEN, -1,
	} },
	[OP_FSEAL] = { "fseal", 2, {
		F_W, F_FILE, F_KIND, -1,
	} },
	[OP_PMAP] = { "pmap", 8, {
		F_W, F_FILE, -1,
	} },
	[OP_PUNMAP] = { "punmap", 3, {
		F_W, -1,
	} },
	[OP_PTOUCH] = { "ptouch", 20, {
		F_W, F_POS, F_BYTE, F_KIND, F_NR, -1,
	} },
	[OP_PADVISE] = { "padvise", 10, {
		F_W, F_POS, F_LEN, F_KIND, -1,
	} },
	[OP_UFFD] = { "uffd", 3, {
		F_W, F_POS, -1,
	} },
	[OP_RECLAIM] = { "reclaim", 8, {
		F_W, F_LEN, -1,
	} },
	[OP_MEMMAX] = { "memmax", 2, {
		F_W, F_KIND, -1,
	} },
	[OP_CGMOVE] = { "cgmove", 1, {
		F_W, F_KIND, -1,
	} },
	[OP_EXEC] = { "exec", 1, {
		F_W, -1,
	} },
	[OP_EXIT] = { "exit", 2, {
		F_W, F_KIND, -1,
	} },
};

static bool has_field(__u32 kind, enum fz_field field)
{
	const __s8 *f;

	for (f = fz_ops[kind].field; *f >= 0; f++)
		if (*f == (__s8)field)
			return true;
	return false;
}

void fz_sane(struct fz_op *op)
{
	__u32 i;

	op->kind %= OP_KINDS;
	for (i = 0; i < F_FIELDS; i++) {
		if (!has_field(op->kind, i))
			op->v[i] = 0;
		if (op->v[i] > fz_fields[i].max)
			op->v[i] %= fz_fields[i].max + 1;
	}
	/* The rest of the file kinds are for MAP. */
	if (op->kind != OP_MAP)
		V(op, FILE) %= FZ_FILES;
}

/* --- text --------------------------------------------------------------- */

void fz_print_op(FILE *f, const struct fz_op *op)
{
	const __s8 *field;

	fprintf(f, "%u %s", V(op, W), fz_ops[op->kind].name);
	for (field = fz_ops[op->kind].field; *field >= 0; field++)
		if (*field != F_W && op->v[*field])
			fprintf(f, " %s=%u", fz_fields[*field].name,
				op->v[*field]);
	fputc('\n', f);
}

void fz_print(FILE *f, const struct fz_prog *prog)
{
	__u32 i;

	if (prog->huge || prog->ro || prog->one || prog->few)
		fprintf(f, "with huge=%u ro=%u one=%u few=%u\n", prog->huge,
			prog->ro, prog->one, prog->few);
	for (i = 0; i < prog->nr; i++)
		fz_print_op(f, prog->op + i);
}

static int kind_of(const char *name)
{
	int i;

	for (i = 0; i < OP_KINDS; i++)
		if (!strcmp(fz_ops[i].name, name))
			return i;
	return -EINVAL;
}

static bool parse_field(struct fz_op *op, char *word)
{
	char *val = strchr(word, '=');
	__u32 i;

	if (!val)
		return false;
	*val++ = '\0';
	for (i = 0; i < F_FIELDS; i++) {
		if (strcmp(fz_fields[i].name, word))
			continue;
		op->v[i] = strtoul(val, NULL, 0);
		return has_field(op->kind, i) && op->v[i] <= fz_fields[i].max;
	}
	return false;
}

static bool parse_op(struct fz_op *op, char *line)
{
	char *save, *word = strtok_r(line, " ", &save);
	int kind;

	memset(op, 0, sizeof(*op));
	V(op, W) = strtoul(word, NULL, 0);
	word = strtok_r(NULL, " ", &save);
	kind = word ? kind_of(word) : -EINVAL;
	if (kind < 0 || V(op, W) >= FZ_WORKERS)
		return false;
	op->kind = kind;
	while ((word = strtok_r(NULL, " ", &save)))
		if (!parse_field(op, word))
			return false;
	return true;
}

static bool parse_line(struct fz_prog *prog, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return true;
	if (sscanf(line, "with huge=%u ro=%u one=%u few=%u", &prog->huge,
		   &prog->ro, &prog->one, &prog->few) >= 3)
		return true;
	if (prog->nr == FZ_OPS || !parse_op(prog->op + prog->nr, line))
		return false;
	prog->nr++;
	return true;
}

int fz_parse(const char *path, struct fz_prog *prog)
{
	FILE *f = fopen(path, "re");
	unsigned int nr = 0;
	char line[256];
	int err = 0;

	memset(prog, 0, sizeof(*prog));
	if (!f) {
		fprintf(stderr, "ptfuzz: %s: %s\n", path, strerror(errno));
		return -EINVAL;
	}
	while (!err && fgets(line, sizeof(line), f)) {
		nr++;
		if (!parse_line(prog, line))
			err = -EINVAL;
	}
	fclose(f);
	if (err)
		fprintf(stderr, "ptfuzz: %s: line %u is no operation, or one too many\n",
			path, nr);
	return err;
}
