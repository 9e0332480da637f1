// SPDX-License-Identifier: GPL-2.0-or-later
/* From a layout file to a container, and from there to the command that uses it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"

static bool set_length(struct build *build, const char *text)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (ptshare_size_parse(text, &build->length) || !build->length) {
		ctl_usage("length '%s' is no size", text);
		return false;
	}
	if (!(build->length % page))
		return true;
	ctl_error("length %s is no multiple of the page size", text);
	ctl_hint("next aligned value: %#llx",
		 (build->length / page + 1) * (unsigned long long)page);
	return false;
}

static bool set_max_prot(struct build *build, const char *text)
{
	if (!ptshare_prot_parse(text, &build->max_prot) && build->max_prot)
		return true;
	ctl_usage("max-prot '%s' is neither r nor rw", text);
	return false;
}

/* The options 'l' and 'm'; false after an error that has been printed. */
bool build_option(struct build *build, int c, const char *arg)
{
	return c == 'l' ? set_length(build, arg) : set_max_prot(build, arg);
}

/* NULL after an error that has been printed. */
struct ptshare_layout *build_read(const struct build *build)
{
	struct ptshare_layout *layout;
	struct ptshare_error err;
	size_t len;
	char *text;
	int ret;

	text = ctl_read_text(build->file, &len);
	if (!text)
		return NULL;
	ret = ptshare_layout_parse(text, len, &layout, &err);
	free(text);
	if (!ret)
		return layout;
	ctl_text_error(build->file, &err);
	return NULL;
}

/* What the container's length shall be; 0 after an error. */
uint64_t build_length(const struct build *build,
		      const struct ptshare_layout *layout)
{
	uint64_t length = build->length;

	if (!length)
		length = ptshare_layout_length(layout);
	if (!length) {
		ctl_error("%s: the layout is empty", build->file);
		ctl_hint("--length makes a container without regions");
	}
	return length;
}

static int create(uint64_t length, int max_prot, int *fd)
{
	char size[24];

	*fd = ptshare_create(-1, length, max_prot);
	if (*fd >= 0)
		return CTL_OK;
	if (*fd == -ENOENT)
		return ctl_no_kernel();
	if (*fd == -EACCES)
		ctl_error("%s: %s", PTSHARE_DEVICE, strerrordesc_np(EACCES));
	else
		ctl_error("a container of %s: %s (%s)",
			  ptshare_size_format(length, size),
			  strerrordesc_np(-*fd), strerrorname_np(-*fd));
	return CTL_FAILED;
}

/* CTL_OK with a control fd, or the exit status after an error. */
int build_assemble(const struct build *build,
		   const struct ptshare_layout *layout, int *fd)
{
	uint64_t length = build_length(build, layout);
	struct ptshare_error err;
	int ret;

	if (!length)
		return CTL_FAILED;
	ret = create(length, build->max_prot, fd);
	if (ret)
		return ret;
	if (!ptshare_layout_apply(layout, *fd, 0, &err))
		return CTL_OK;
	ctl_text_error(build->file, &err);
	close(*fd);
	return CTL_FAILED;
}

int build_container(const struct build *build, int *fd)
{
	struct ptshare_layout *layout = build_read(build);
	int ret;

	if (!layout)
		return CTL_FAILED;
	ret = build_assemble(build, layout, fd);
	ptshare_layout_free(layout);
	return ret;
}

/* Returns only if @command can't be started. */
int ctl_become(int fd, char **command)
{
	int ret = ptshare_listen_export(fd, NULL);

	if (ret < 0) {
		ctl_error("handing over the fd: %s", strerrordesc_np(-ret));
		return CTL_RUN_FAILED;
	}
	execvp(command[0], command);
	ret = errno == ENOENT ? CTL_RUN_NOTFOUND : CTL_RUN_NOEXEC;
	ctl_error("%s: %m", command[0]);
	return ret;
}
