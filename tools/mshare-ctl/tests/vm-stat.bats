#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# stat: rows in time, and what stands in them.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm
	hold $'0 1M rw memfd:a\n1G 1M r memfd:b'
}

teardown()
{
	drop_shm
}

# A process with a window in which the first 64 pages are touched.
add_window()
{
	ctl-probe fill "$box" 0 256K
	ctl-probe window "$box" >"$out.window" 3>&- &
	holders+=($!)
	wait_for 'grep -q ready "$out.window"'
}

@test "one row without an interval" {
	ctl stat "$box"
	assert_success
	assert_equal "${#lines[@]}" 2
	assert_equal "$(xargs <<<"${lines[0]}")" "TIME BOXES REGIONS WINDOWS LINKS MIRRORS FLUSHES RSS PGTABLES SAVED SYSTEM"
	assert_line --index 1 --regexp '^ +0\.[0-9]{6} +1 +2 +0 +'
}

@test "the documented keys of JSON, all of them numbers" {
	ctl stat "$box" -J
	assert_success
	assert_json 'keys == (["time_ns", "id", "boxes", "regions", "windows", "links", "mirrors", "flushes",
		"rss", "pgtables", "saved", "system"] | sort) and all(.[]; type == "number")'
	assert_json ".id == $(mshare-ctl info "$box" -rno ID) and .boxes == 1 and .regions == 2"
	assert_json '.system > 100000'
	ctl stat -J
	assert_json '.id == null and (del(.id) | all(.[]; type == "number"))'
}

@test "it agrees with info" {
	add_window
	local info
	info=$(mshare-ctl info "$box" -Jb | jq -c '.info[0] | {regions, windows, links, mirrors, rss, pgtables, saved}')
	ctl stat "$box" -J
	assert_json "{regions, windows, links, mirrors, rss, pgtables, saved} == $info"
	assert_json '.windows == 1 and .rss == 262144 and .pgtables > 0'
}

@test "without a container: the sum over all" {
	local first=$box
	hold "0 1M rw memfd:a"
	ctl stat -J
	assert_success
	assert_json '.boxes == 2 and .regions == 3'
	drop_holders
	ctl stat -J
	assert_success
	assert_json '.boxes == 0 and .regions == 0 and .pgtables == 0'
	ctl stat "$first"
	assert_failure 1
}

@test "rows follow what happens" {
	mshare-ctl stat "$box" -J -i 0.2 -c 1000 >"$out" 3>&- &
	local pid=$!
	holders+=($pid)
	wait_for '[ $(wc -l <"$out") -ge 2 ]'
	mshare-ctl map "$box" 2M 4K r memfd:c
	add_window
	wait_for 'tail -n 1 "$out" | jq -e ".regions == 3 and .windows == 1 and .rss == 262144" >/dev/null'
	kill -INT $pid
	wait $pid
	run jq -s '[.[].regions] | unique == [2, 3]' "$out"
	assert_output true
	run jq -s '[.[].time_ns] | . == (sort | unique)' "$out"
	assert_output true
}

@test "--count and --interval: so many rows, in that time" {
	ctl stat "$box" -i 300ms -c 4 -J
	assert_success
	assert_equal "${#lines[@]}" 4
	run jq -s '(last.time_ns - first.time_ns) / 1e6 | . >= 850 and . < 3000' <<<"$output"
	assert_output true
	ctl stat "$box" --count 2 --noheadings
	assert_equal "${#lines[@]}" 2
}

@test "an interval alone is without end; SIGTERM and SIGINT are status 0" {
	# also one that is never in time
	for signal in TERM INT; do
		local interval=50ms
		[ $signal = TERM ] || interval=1ms
		mshare-ctl stat --interval $interval >"$out" 3>&- &
		local pid=$!
		holders+=($pid)
		wait_for '[ $(wc -l <"$out") -gt 4 ]'
		kill -$signal $pid
		wait_for "! kill -0 $pid"
		wait $pid
	done
}

@test "it ends when nobody reads on" {
	run timeout 20 bash -c "mshare-ctl stat $box -i 0.1 -J | head -n 2 | wc -l"
	assert_success
	assert_output 2
}

@test "--bytes and --noheadings" {
	add_window
	ctl stat "$box" -n
	assert_equal "${#lines[@]}" 1
	assert_equal "$(awk '{ print $8 }' <<<"$output")" 256K
	ctl stat "$box" -nb
	assert_equal "$(awk '{ print $8 }' <<<"$output")" 262144
}

@test "columns, raw and pairs" {
	ctl stat "$box" -o REGIONS,boxes
	assert_success
	assert_equal "$(xargs <<<"$output")" "REGIONS BOXES 2 1"
	ctl stat "$box" -rb -o REGIONS,RSS
	assert_output $'REGIONS RSS\n2 0'
	ctl stat "$box" -Pnb -c 2 -i 1ms -o BOXES,RSS
	assert_output $'BOXES="1" RSS="0"\nBOXES="1" RSS="0"'
	ctl stat "$box" -P
	assert_output --regexp '^TIME="0\.[0-9]{6}" BOXES="1" REGIONS="2" .* SAVED="0" SYSTEM="[0-9.]+[KMG]"$'
	ctl stat "$box" -J -o REGIONS,RSS
	assert_output '{"regions":2,"rss":0}'
	for wrong in "-o SIZE" "-J -r" "-P -r"; do
		# shellcheck disable=SC2086
		ctl stat "$box" $wrong
		assert_failure 2
		assert_output ""
	done
}

@test "headings come once where there is no terminal, again where there is one" {
	ctl stat "$box" -i 1ms -c 45
	assert_equal "$(grep -c TIME <<<"$output")" 1
	run script -qec "mshare-ctl stat $box -i 1ms -c 45" /dev/null
	assert_equal "$(grep -c TIME <<<"$output")" 3
}

@test "an fd that is no container, a process of somebody else" {
	ctl stat 0 </dev/null
	assert_failure 1
	assert_error "stat: 0: not a container (ENOTTY)"
	ctl_as 2000 2000 stat "$box"
	assert_failure 1
	[[ $stderr == *"(EPERM)"* ]]
	# without one, what can't be seen is not counted
	ctl_as 2000 2000 stat -J
	assert_success
	assert_json '.boxes == 0'
}
