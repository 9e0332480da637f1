# SPDX-License-Identifier: GPL-2.0-or-later
# The manual for programmers: sections 3, 4 and 7, the links of section 3, and the
# programs of the EXAMPLE sections, which are for the tests only. The rest of
# man-pages is section 8.

page-sh		:= $(here)/man/page.sh
man-3-src	:= $(wildcard $(here)/man/*.3.rst)
man-4-src	:= $(wildcard $(here)/man/*.4.rst)
man-programmer	:= $(filter-out %.8,$(man-pages))
man-pages	:= $(filter %.8,$(man-pages))
man-example	:= $(patsubst $(here)/man/%.rst,$(O)/man-examples/%, \
			$(man-3-src) $(man-4-src))

all: $(man-example)

# A page is found by each call that it is about.
$(O)/man/%.3: $(here)/man/%.3.rst $(page-sh)
	@mkdir -p $(@D)
	$(RST2MAN) $< $@.new
	sed "/^\.SH NAME/{n;s/^[^ ]*/$$($(page-sh) title $<)/}" $@.new >$@
	@rm $@.new

$(O)/man-examples/%.c: $(here)/man/%.rst $(page-sh)
	@mkdir -p $(@D)
	$(page-sh) example $< >$@

# As a reader would compile it: without what we give our own sources.
$(man-example): $(O)/man-examples/%: $(O)/man-examples/%.c $(links)
	$(CC) -O2 -g -Wall -Wextra -I$(here)/include -I$(top)/include/uapi \
		-o $@ $< -L$(O)/lib -lptshare -Wl,-rpath,'$$ORIGIN/../lib'

install-man: $(man-programmer)
	set -e; for page in $^; do \
		install -D -m 644 $$page \
		$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; \
	done
	$(page-sh) links $(DESTDIR)$(MANDIR)/man3 $(man-3-src)

install: install-man

clean: clean-man

clean-man:
	rm -rf $(O)/man-examples

.PHONY: install-man clean-man
