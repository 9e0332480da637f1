#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of the manual do, and print, what their pages say.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	need_device
}

# The page is named by the test: ptshare_map(3) is ptshare_map.3.rst.
shows()
{
	local name=${BATS_TEST_DESCRIPTION/(/.}
	name=${name%)}
	run --separate-stderr timeout 30 "$tools/man-examples/$name"
	assert_equal "$stderr" ""
	assert_success
	assert_output "$("$ctl_dir/man/page.sh" output "$ctl_dir/man/$name.rst")"
}

@test "libptshare(3)" { shows; }
@test "ptshare(4)" { shows; }
@test "ptshare_attach_fd(3)" { shows; }
@test "ptshare_create(3)" { shows; }
@test "ptshare_events_new(3)" { shows; }
@test "ptshare_layout_parse(3)" { shows; }
@test "ptshare_listen_export(3)" { shows; }
@test "ptshare_map(3)" { shows; }
@test "ptshare_notify(3)" { shows; }
@test "ptshare_protect(3)" { shows; }
@test "ptshare_query(3)" { shows; }
@test "ptshare_seal(3)" { shows; }
@test "ptshare_size_parse(3)" { shows; }
@test "ptshare_window_open(3)" { shows; }

@test "no page was forgotten" {
	assert_equal "$(sed -n 's/^@test "\(.*\)(\([34]\))".*/\1.\2/p' "$BATS_TEST_FILENAME" | sort)" \
		"$(cd "$ctl_dir/man" && ls -- *.[34].rst | sed 's/\.rst$//' | sort)"
}
