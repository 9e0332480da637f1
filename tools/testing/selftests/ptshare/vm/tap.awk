# SPDX-License-Identifier: GPL-2.0
#
# Counts a TAP stream.  With -v rc=STATUS the program's own status is judged too.
# Prints "passed failed skipped", then one line for each failed case.

function fail(what) { failed++; bad[failed] = what }

/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	planned = 1
	if (plan == 0)
		skipped++
}
/^ok( |$)/ {
	seen++
	if (toupper($0) ~ /# *SKIP/)
		skipped++
	else
		passed++
}
/^not ok( |$)/ {
	seen++
	if (toupper($0) ~ /# *(TODO|XFAIL)/)
		passed++
	else
		fail($0)
}
/^Bail out!/ { fail($0) }

END {
	if (rc == 124 || rc == 137)
		fail("no end in time")
	else if (planned && plan && seen != plan)
		fail("planned " plan " cases, saw " seen + 0 " (status " rc ")")
	else if (rc == 4 && !passed && !failed)
		skipped += !skipped
	else if (rc != 0 && !failed)
		fail("status " rc)
	else if (!planned && !seen)
		passed++		# no TAP: the status is the result
	print passed + 0, failed + 0, skipped + 0
	for (i = 1; i <= failed; i++)
		print bad[i]
}
