#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns build/postgres-suite: PostgreSQL's regression tests, as bench/postgres.sh
# wants them. Debian has their driver in a package, and the tests themselves only
# in the source package: that of the installed server is fetched.
#
# usage: postgres-suite.sh
set -eu
. "$(dirname "$0")/lib.sh"

suite=$build/postgres-suite
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# Lists of apt's own, so that nothing of the system's changes.
apt()
{
	apt-get -q -o APT::Sandbox::User="$(id -un)" -o Dir::Etc::sourcelist="$work/list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
		-o Dir::Cache="$work/cache" "$@"
}

fetch()
{
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	# package | version | address suite/component architecture Packages
	apt-cache madison postgresql-15 | awk -v keys="$keys" '$8 == "Packages" {
		component = suite = $6
		sub(".*/", "", component)
		sub("/[^/]*$", "", suite)
		print "deb-src [signed-by=" keys "]", $5, suite, component
	}' >"$work/list"
	apt update
	cd "$work"
	apt source --download-only "postgresql-15=$version"
}

unpack()
{
	local tests=$work/tests/src/test/regress

	mkdir -p "$work/tests"
	tar -xjf "$work"/postgresql-15_*.orig.tar.bz2 -C "$work/tests" --strip-components=1 \
		--wildcards '*/src/test/regress/*'
	gcc -shared -fPIC -O2 -fwrapv -fno-strict-aliasing -I"$(pg_config --includedir-server)" \
		-o "$tests/regress.so" "$tests/regress.c"
	# Two that the tests load from the same place.
	cp "$libs/refint.so" "$libs/autoinc.so" "$tests"
	rm -rf "$suite"
	mv "$tests" "$suite"
	echo "$version" >"$suite/version"
}

version=$(dpkg-query -W -f '${Version}' postgresql-15)
[ "$version" != "$(cat "$suite/version" 2>/dev/null)" ] || exit 0
PATH=/usr/lib/postgresql/15/bin:$PATH
libs=$(pg_config --pkglibdir)
work=$build/postgres-suite.new
rm -rf "$work"
say "fetching the regression tests of postgresql-15 $version"
quiet "$build/postgres-suite.log" fetch || die "no source package of postgresql-15 $version"
quiet "$build/postgres-suite.log" unpack || die "the regression tests do not build"
rm -rf "$work"
