#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# list, info and table, in all their formats, and reading a table back.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm 4M
}

teardown()
{
	drop_shm
}

id_of()
{
	mshare-ctl info "$1" -rno ID
}

# A container with one window, two pages touched.
hold_window()
{
	hold $'0 1M rw memfd:a\n1G 1M r memfd:b' --length 4G
	ctl-probe poke "$box" 0 1
	ctl-probe window "$box" >"$BATS_TEST_TMPDIR/out" 3>&- &
	window=$!
	holders+=("$window")
	wait_for 'grep -q ready "$BATS_TEST_TMPDIR/out"'
}

@test "info: a line for each key" {
	hold_window
	ctl info "$box"
	assert_success
	assert_equal "$(awk '{ print $1 }' <<<"$output" | xargs)" \
		"ID LENGTH PROT SEALS REGIONS WINDOWS RSS PGTABLES SAVED LINKS MIRRORS GRANULE FEATURES MAXREGIONS MAXRANGES"
	assert_line --regexp '^LENGTH +4G$'
	assert_line --regexp '^PROT +rw$'
	assert_line --regexp '^SEALS +-$'
	assert_line --regexp '^REGIONS +2$'
	assert_line --regexp '^WINDOWS +1$'
	assert_line --regexp '^RSS +4K$'
	assert_line --regexp '^FEATURES +shmem,notify$'
	assert_line --regexp '^MAXRANGES +65536$'
	# the ID is the window's inode number
	grep -q " $(id_of "$box") .*anon_inode:\[ptshare\]" "/proc/$window/maps"
}

@test "info: JSON, raw, pairs, columns, bytes" {
	hold_window
	ctl info "$box" -J
	assert_success
	assert_json '(.info | length) == 1 and (.info[0] |
		.length == "4G" and .regions == 2 and .windows == 1 and .rss == "4K" and
		.features == ["shmem", "notify"] and .seals == null and .prot == "rw")'
	ctl info "$box" -J -b
	assert_json '.info[0] | .length == 4294967296 and .rss == 4096'
	ctl info "$box" -r -o LENGTH,REGIONS
	assert_output $'LENGTH REGIONS\n4G 2'
	ctl info "$box" -rnb -o LENGTH,REGIONS
	assert_output "4294967296 2"
	ctl info "$box" -P -o LENGTH,PROT
	assert_output 'LENGTH="4G" PROT="rw"'
	ctl info "$box" -o LENGTH,PROT
	assert_output $'LENGTH 4G\nPROT   rw'
	ctl info "$box" -o nonsense
	assert_failure 2
	ctl info -J "$box" -o REGIONS
	assert_equal "$(tr -d ' \n' <<<"$output")" '{"info":[{"regions":2}]}'
}

@test "info agrees with fdinfo" {
	hold_window
	local key value filter=true count=0
	while IFS=$'\t' read -r key value; do
		key=${key#ptshare-}
		case $key in
		id: | length: | regions: | windows: | links: | mirrors:) ;;
		max-prot:)	key=prot: value="\"$value\"" ;;
		*-kB:)		key=${key%-kB:}: value="$value * 1024" ;;
		*)		continue ;;
		esac
		filter+=" and .info[0].${key%:} == $value"
		count=$((count + 1))
	done <"/proc/$holder/fdinfo/3"
	assert_equal $count 10
	ctl info "$box" -J -b
	assert_json "$filter"
}

@test "list: columns, holders by fd and by window only" {
	hold_window
	local id
	id=$(id_of "$box")
	ctl list
	assert_success
	assert_line --index 0 --regexp '^ +ID +LENGTH +PROT +REGIONS +WINDOWS +RSS +PGTABLES +SAVED +NAME +HOLDERS$'
	assert_line --regexp "^ *$id +4G +rw +2 +1 +4K +[0-9]+K +[0-9]+K? +"
	ctl list -J
	assert_success
	assert_json ".containers[] | select(.id == $id) | .length == \"4G\" and .windows == 1 and
		(.holders | sort) == ([\"$box\", \"$window\"] | sort)"
	ctl list -J -b -o +LINKS,MIRRORS
	assert_json ".containers[] | select(.id == $id) | .length == 4294967296 and .links >= 0 and .mirrors >= 0"
}

@test "list: raw, pairs, no headings" {
	hold_window
	local id
	id=$(id_of "$box")
	ctl list -r -o ID,LENGTH
	assert_line --index 0 "ID LENGTH"
	assert_line "$id 4G"
	ctl list -rn -o ID,LENGTH
	refute_line "ID LENGTH"
	assert_line "$id 4G"
	ctl list -P -o ID,WINDOWS
	assert_line "ID=\"$id\" WINDOWS=\"1\""
	ctl list -n -b -o LENGTH,ID
	assert_line --regexp "^4294967296 +$id$"
	ctl list -rn -o ID,HOLDERS
	assert_line --regexp "^$id ($box,$window|$window,$box)$"
}

@test "list: a container that only windows keep" {
	hold_window
	local id
	id=$(id_of "$box")
	kill -9 "$holder"
	wait "$holder" || true
	ctl list -J
	assert_success
	assert_json ".containers[] | select(.id == $id) | .holders == [\"$window\"] and .windows == 1 and .length == null"
	kill -9 "$window"
	wait "$window" || true
	ctl list -J
	assert_json "[.containers[] | select(.id == $id)] == []"
}

@test "list: several containers, one with many fds" {
	hold "0 4K rw memfd:a"
	local first=$box
	hold "0 4K r memfd:a" --max-prot r
	run --separate-stderr bash -c "mshare-ctl run -f - -- sh -c 'exec 8<&3; mshare-ctl list -J' <<<'0 4K rw memfd:a'"
	assert_success
	assert_json "(.containers | length) == 3 and
		([.containers[].prot] | sort) == [\"r\", \"rw\", \"rw\"] and
		([.containers[].holders[]] | index(\"$first\") != null and index(\"$box\") != null) and
		([.containers[] | select(any(.holders[]; endswith(\":8\")) and
			any(.holders[]; endswith(\":3\")))] | length) == 1"
}

@test "table: lines that name files by path" {
	hold "0 1M rw $shm/f
		1G 1M r $shm/f 2M
		3G 4K - $shm/f 4K"
	ctl table "$box"
	assert_success
	assert_line --index 0 "# ptshare $(id_of "$box"): --length 4G --max-prot rw"
	assert_equal "$(tail -n +2 <<<"$output" | tr -s ' ')" "$(cat <<-END
		0x0 1M rw $shm/f 0x0
		0x40000000 1M r $shm/f 0x200000
		0xc0000000 4K - $shm/f 0x1000
	END
	)"
	ctl table "$box" -n
	assert_line --index 0 --regexp "^0x0 +1M +rw +$shm/f +0x0$"
}

@test "table: JSON, raw, pairs, columns, bytes" {
	hold "0 1M rw $shm/f
		1G 1M r $shm/f 2M"
	ctl table "$box" -J
	assert_success
	assert_json ".regions == [
		{offset: \"0x0\", length: \"1M\", prot: \"rw\", source: \"$shm/f\", srcoffset: \"0x0\"},
		{offset: \"0x40000000\", length: \"1M\", prot: \"r\", source: \"$shm/f\", srcoffset: \"0x200000\"}]"
	ctl table "$box" -J -b -o OFFSET,LENGTH,INO
	assert_json ".regions[1] == {offset: 1073741824, length: 1048576, ino: $(stat -c %i "$shm/f")}"
	ctl table "$box" -r
	assert_line --index 0 "OFFSET LENGTH PROT SOURCE SRCOFFSET"
	assert_line --index 2 "0x40000000 1M r $shm/f 0x200000"
	ctl table "$box" -P -o PROT,DEV
	assert_line --index 0 --regexp '^PROT="rw" DEV="0:[0-9]+"$'
	ctl table "$box" -o OFFSET,PROT
	assert_line --index 0 --regexp '^OFFSET +PROT$'
	assert_line --index 2 --regexp '^0x40000000 +r$'
	ctl table "$box" -nbo OFFSET,LENGTH
	assert_line --index 1 --regexp '^1073741824 +1048576$'
	ctl run -f /dev/null --length 1G -- mshare-ctl table 3 -J
	assert_equal "$(tr -d ' \n' <<<"$output")" '{"regions":[]}'
}

@test "table --draw: the container as it is" {
	hold $'0 1G rw memfd:a\n1G 1G r memfd:a\n3G 1G - memfd:a' --length 4G
	COLUMNS=20 LC_ALL=C ctl table "$box" --draw
	assert_success
	assert_line --index 1 "#####=====.....-----"
	mshare-ctl unmap "$box" 0 1G
	COLUMNS=20 LC_ALL=C ctl table "$box" -d
	assert_line --index 1 ".....=====.....-----"
}

@test "table: names of backings, from best to none" {
	# one that we have open ourselves, by an fd that may write
	run ctl-probe open memfd:own 1M 7 mshare-ctl run -f - -- mshare-ctl table 3 -rno SOURCE <<<"0 4K rw fd:7"
	assert_output "fd:7"
	# a memfd that only another process has open
	run ctl-probe open memfd:held 1M 7 mshare-ctl run -f - -- sh -c 'exec 7>&-; mshare-ctl table 3 -rno SOURCE' <<<"0 4K rw fd:7"
	assert_line --regexp '^memfd:0:[0-9]+:[0-9]+$'
	ctl-probe open memfd:held 1M 7 mshare-ctl run -f <(echo "0 4K rw fd:7") -- sleep 1000 </dev/null 3>&- &
	holder=$! box=$!:3
	holders+=("$holder")
	wait_for 'grep -q sleep /proc/$holder/comm'
	ctl table "$box" -rno SOURCE
	assert_output "/proc/$holder/fd/7"
	# nobody has it open any more, but the mount has its name
	hold "0 4K r $shm/f"
	ctl table "$box" -rno SOURCE
	assert_output "$shm/f"
	rm "$shm/f"
	ctl table "$box" -rno SOURCE
	assert_output --regexp '^memfd:0:[0-9]+:[0-9]+$'
}

@test "round trip of what nobody has open: the same layout, new memory" {
	hold $'0 64K rw memfd:a\n1M 4K r memfd:a 4K\n2M 8K - memfd:b'
	ctl-probe poke "$box" 0 e7
	ctl table "$box"
	assert_line --index 1 "# memfd:DEV:INO: nothing else has it open; read back, it is new and empty"
	run mshare-ctl run -f <(mshare-ctl table "$box") -- ctl-probe peek 3 0
	assert_output 0
	# which regions show the same memory is told by the same name
	run mshare-ctl run -f <(mshare-ctl table "$box") -- mshare-ctl table 3 -Pno OFFSET,LENGTH,PROT,SRCOFFSET
	assert_output "$(mshare-ctl table "$box" -Pno OFFSET,LENGTH,PROT,SRCOFFSET)"
	run mshare-ctl run -f <(mshare-ctl table "$box") -- sh -c 'ctl-probe poke 3 4K 5a; ctl-probe peek 3 1M'
	assert_output 5a
}

@test "round trip: table | run -f - gives the same container" {
	truncate -s 1M "$shm/with blank #1"
	hold "0 1M rw $shm/f
		1M 4K - $shm/f 4K
		2M 64K r $shm/with\\040blank\\040#1 64K
		5G 4K rw $shm/f 8K"
	ctl-probe poke "$box" 4K 5a5a
	mshare-ctl table "$box" >"$BATS_TEST_TMPDIR/first"
	mshare-ctl table "$box" | mshare-ctl run -f - -- sh -c \
		'mshare-ctl table 3; ctl-probe peek 3 4K >&2' >"$BATS_TEST_TMPDIR/second" 2>"$BATS_TEST_TMPDIR/word"
	run diff <(sed 1d "$BATS_TEST_TMPDIR/first") <(sed 1d "$BATS_TEST_TMPDIR/second")
	assert_success
	assert_equal "$(sed 1d "$BATS_TEST_TMPDIR/first" | wc -l)" 4
	run cat "$BATS_TEST_TMPDIR/word"
	assert_output 5a5a
	# what the lines don't say stands in the comment, as options
	run sed -n '1s/.*: //p' "$BATS_TEST_TMPDIR/second"
	assert_output -- "--length 6G --max-prot rw"
}

@test "round trip with memfds, by the fds of the process that has them" {
	ctl-probe open memfd:held 1M 7 mshare-ctl run -f <(echo "0 64K rw fd:7 4K") -- sleep 1000 </dev/null 3>&- &
	holder=$! box=$!:3
	holders+=("$holder")
	wait_for 'grep -q sleep /proc/$holder/comm'
	ctl-probe poke "$box" 0 e7
	run bash -c "mshare-ctl table $box | mshare-ctl run -f - -- ctl-probe peek 3 0"
	assert_success
	assert_output e7
}

@test "table through an attach fd, and after protect" {
	hold "0 12K rw memfd:a" --attach
	ctl table "$box" -rn -o OFFSET,LENGTH,PROT
	assert_output "0x0 12K rw"
	drop_holders
	hold "0 12K rw memfd:a"
	mshare-ctl protect "$box" 4K 4K r
	ctl table "$box" -rn -o OFFSET,LENGTH,PROT,SRCOFFSET
	assert_output $'0x0 4K rw 0x0\n0x1000 4K r 0x1000\n0x2000 4K rw 0x2000'
}

@test "the demo's oracle agrees with coreutils" {
	head -c 300000 /dev/urandom >"$shm/data"
	PATH=$tools/demo:$PATH
	run pread-digests digests "$shm/data" 0x1000 300000 131072
	assert_success
	assert_equal "${#lines[@]}" 3
	assert_line --index 2 "41000 37856 $(tail -c 37856 "$shm/data" | sha256sum | cut -d' ' -f1)"
}
