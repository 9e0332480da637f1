#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# libptshare as others see it: installed files, symbols, binary interface, flags,
# fd passing.
bats_require_minimum_version 1.8.0
load helper

setup_file()
{
	export DEST=$BATS_FILE_TMPDIR/dest
	local repo
	repo=$(cd "$BATS_TEST_DIRNAME/../../.." && pwd)
	# Objects of its own: others may be building in build/tools right now.
	make -s -j2 -C "$repo/tools/mshare-ctl" O="$BATS_FILE_TMPDIR/o" \
		PREFIX=/opt/p DESTDIR="$DEST" install >&2
	export PKG_CONFIG_PATH=$DEST/opt/p/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DEST
	export LIB=$DEST/opt/p/lib
}

exported()
{
	nm -D --defined-only "$LIB/libptshare.so" | awk '$2 == "T" { print $3 }' | sort
}

@test "what make install installs" {
	# The pages of the library are for host-man.bats.
	run bash -c 'cd "$DEST/opt/p" && find . ! -type d ! -path "*/man[347]/*" | sort'
	assert_output "$(cat <<-'END'
		./bin/mshare-ctl
		./include/libptshare/linux/ptshare.h
		./include/libptshare/ptshare.h
		./lib/libptshare.a
		./lib/libptshare.so
		./lib/libptshare.so.0
		./lib/libptshare.so.0.1.0
		./lib/pkgconfig/libptshare.pc
		./lib/ptshare/libptshare-preload.so
		./lib/systemd/system/mshare@.service
		./lib/systemd/system/mshare@.socket
		./lib/sysusers.d/ptshare.conf
		./lib/udev/rules.d/60-ptshare.rules
		./libexec/ptshare/demo.sh
		./libexec/ptshare/pread-digests
		./libexec/ptshare/ptshare-demo
		./share/bash-completion/completions/mshare-ctl
		./share/doc/ptshare/examples/checkpoint.c
		./share/man/man8/mshare-ctl-shim.8
		./share/man/man8/mshare-ctl-watch.8
		./share/man/man8/mshare-ctl.8
	END
	)"
	cmp "$repo/include/uapi/linux/ptshare.h" "$DEST/opt/p/include/libptshare/linux/ptshare.h"
}

@test "SONAME, version node, nothing undefined" {
	run readelf -d "$LIB/libptshare.so.0.1.0"
	assert_line --partial "Library soname: [libptshare.so.0]"
	[ "$(readlink "$LIB/libptshare.so.0")" = libptshare.so.0.1.0 ]
	run bash -c 'nm -D --defined-only "$LIB/libptshare.so" | grep " T " | grep -vc "@@LIBPTSHARE_0.1$"'
	assert_output 0
}

@test "header, version script and library name the same functions" {
	local declared mapped
	declared=$(gcc -E -P -I"$ctl_dir/include" -I"$repo/include/uapi" "$ctl_dir/include/ptshare.h" |
		tr '\n' ' ' | grep -o '\bptshare_[a-z_]*(' | tr -d '(' | sort)
	mapped=$(grep -o 'ptshare_[a-z_]*;' "$ctl_dir/lib/libptshare.map" | tr -d ';' | sort)
	assert_equal "$mapped" "$declared"
	assert_equal "$(exported | sed 's/@@.*//')" "$declared"
}

# The baseline does not have what ptshare.h keeps to itself, so that may change.
abi_changes()
{
	abidiff "$@" "$ctl_dir/lib/libptshare.abi" "$LIB/libptshare.so"
}

@test "the binary interface is as it was" {
	run abi_changes --no-added-syms
	assert_success
}

@test "what the binary interface has besides is in the baseline (make abi)" {
	run abi_changes
	assert_success
}

@test "no path of this machine is in the baseline" {
	run grep -c "path='/\|filepath='/" "$ctl_dir/lib/libptshare.abi"
	assert_output 0
}

@test "needs nothing but the C library" {
	run bash -c 'readelf -d "$LIB/libptshare.so" | sed -n "s/.*NEEDED.*\[\(.*\)\]/\1/p"'
	assert_output libc.so.6
}

@test "prints nothing and never ends the process" {
	run bash -c 'nm -u "$LIB/libptshare.so" "$LIB/libptshare.a" | awk "NF == 2 { sub(/@.*/, \"\", \$2); print \$2 }" | sort -u'
	assert_line ioctl
	refute_line --regexp '^_*(v?d?printf|v?fprintf|f?puts|putc|fputc|putchar|fwrite|write|writev|perror|psignal|v?syslog|v?warnx?|v?errx?|error|stdout|stderr|exit|_exit|_Exit|quick_exit|abort|assert_fail|raise|kill|signal|sigaction)(_chk|_unlocked)?$'
}

@test "the static library has no names that a program could want" {
	run bash -c 'nm -g --defined-only "$LIB/libptshare.a" | awk "NF == 3 { print \$3 }" | grep -v "^ptshare_\|^pts_"'
	assert_output ""
	run bash -c 'nm -g --defined-only "$LIB/libptshare.a" | awk "NF == 3 && \$3 ~ /^ptshare_/ { print \$3 }" | sort'
	assert_output "$(exported | sed 's/@@.*//')"
}

@test "pkg-config tells where it was installed, and knows nothing of DESTDIR" {
	run env -u PKG_CONFIG_SYSROOT_DIR pkg-config --cflags --libs libptshare
	assert_output "-I/opt/p/include/libptshare -L/opt/p/lib -lptshare "
	run grep -rlI "$BATS_FILE_TMPDIR" "$DEST"
	assert_output ""
}

@test "pkg-config builds C and C++ against it, shared and static" {
	cat >"$BATS_TEST_TMPDIR/t.c" <<-'END'
		#include <ptshare.h>
		#include <stdio.h>

		int main(void)
		{
			struct ptshare_info info;

			printf("%s %d\n", ptshare_version(), ptshare_info(-1, &info));
			return 0;
		}
	END
	cd "$BATS_TEST_TMPDIR"
	# shellcheck disable=SC2046
	gcc -std=c99 -pedantic -Wall -Wextra -Werror t.c -o c $(pkg-config --cflags --libs libptshare)
	# shellcheck disable=SC2046
	g++ -x c++ -Wall -Wextra -Werror t.c -o cc $(pkg-config --cflags --libs libptshare)
	# shellcheck disable=SC2046
	gcc t.c -o static $(pkg-config --cflags libptshare) "$LIB/libptshare.a"
	for program in c cc static; do
		run env LD_LIBRARY_PATH="$LIB" ./$program
		assert_output "0.1.0 -9"
	done
	[ "$(pkg-config --modversion libptshare)" = 0.1.0 ]
}

@test "pkg-config builds the example as it is installed" {
	cd "$BATS_TEST_TMPDIR"
	# shellcheck disable=SC2046
	gcc -Wall -Wextra -Werror "$DEST/opt/p/share/doc/ptshare/examples/checkpoint.c" -o checkpoint \
		$(pkg-config --cflags --libs libptshare)
	run env LD_LIBRARY_PATH="$LIB" ./checkpoint -x
	assert_failure 1
	assert_output "./checkpoint: invalid option -- 'x'"
}

@test "functions return -errno" {
	run ctl-probe errors
	assert_output "1 1 1 1 1 1 1 1 1 1 1 1 1"
}

@test "LISTEN_FDS: what is exported is imported" {
	run ctl-probe export 0 "" ctl-probe import "" </dev/null
	assert_output "3 cloexec"
	run ctl-probe export 0 db ctl-probe import db </dev/null
	assert_output "3 cloexec"
	run ctl-probe export 0 db ctl-probe import "" </dev/null
	assert_output ENOENT
	run ctl-probe export 77 "" true
	assert_output EBADF
	run ctl-probe export 0 db sh -c 'echo $LISTEN_FDS $LISTEN_FDNAMES; [ $LISTEN_PID = $$ ]' </dev/null
	assert_success
	assert_output "1 db"
}

@test "LISTEN_FDS: fd 3 itself can be handed over" {
	run sh -c 'exec 3</dev/null; exec ctl-probe export 3 "" ctl-probe import ptshare'
	assert_output "3 cloexec"
}

@test "LISTEN_FDS: the name chooses, and only for this process" {
	run sh -c 'exec 3</dev/null 4</dev/null; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:ptshare exec ctl-probe import ""'
	assert_output "4 cloexec"
	run sh -c 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a:ptshare exec ctl-probe import ""'
	assert_output ENOENT
	run sh -c 'exec 3</dev/null; LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=ptshare exec ctl-probe import ""'
	assert_output ENOENT
	run sh -c 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=x LISTEN_FDNAMES=ptshare exec ctl-probe import ""'
	assert_output ENOENT
	run sh -c 'exec 3>&-; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=ptshare exec ctl-probe import ""'
	assert_output ENOENT
	run env -u LISTEN_FDS -u LISTEN_PID ctl-probe import ""
	assert_output ENOENT
}
