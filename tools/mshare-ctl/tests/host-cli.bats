#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line itself: help, usage, exit codes, formats. Needs no kernel.
bats_require_minimum_version 1.8.0
load helper

commands="check run hold attach map unmap protect seal list info table stat watch shim help version"
with_options=${commands/help /}

@test "no command: the overview on stderr, exit 2" {
	ctl
	assert_failure 2
	assert_equal "$output" ""
	[[ $stderr == "Usage: mshare-ctl COMMAND"* ]]
}

@test "help lists the commands that exist, and no others" {
	ctl help
	assert_success
	assert_equal "$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$output" | xargs)" "$commands"
}

@test "-h, --help and help are the same" {
	ctl help
	local text=$output
	ctl -h
	assert_success
	assert_equal "$output" "$text"
	ctl --help
	assert_success
	assert_equal "$output" "$text"
}

@test "help COMMAND tells each command's usage" {
	for command in $commands; do
		ctl help "$command"
		assert_success
		assert_line --index 0 --partial "Usage: mshare-ctl $command"
	done
}

@test "COMMAND --help equals help COMMAND" {
	for command in $with_options; do
		ctl help "$command"
		local text=$output
		ctl "$command" --help
		assert_success
		assert_equal "$output" "$text"
		ctl "$command" -h
		assert_success
		assert_equal "$output" "$text"
	done
}

@test "each option in the help is one that is known" {
	for command in $with_options; do
		ctl help "$command"
		for option in $(grep -o '^  -., --[a-z-]*' <<<"$output" | grep -o -- '--[a-z-]*'); do
			ctl "$command" "$option" --help
			[[ $stderr != *"unrecognized option"* ]] || fail "$command $option"
		done
	done
}

@test "an unknown command is a usage error" {
	ctl frobnicate
	assert_failure 2
	assert_error "no such command: frobnicate"
	assert_hint "see 'mshare-ctl help'"
	ctl help frobnicate
	assert_failure 2
	ctl help map unmap
	assert_failure 2
}

@test "version, -V and --version" {
	for option in version -V --version; do
		ctl $option
		assert_success
		assert_output "mshare-ctl 0.1.0"
	done
	ctl version extra
	assert_failure 2
}

@test "version -J is JSON with the kernel's features" {
	ctl version -J
	assert_success
	assert_json '.version | length == 1'
	assert_json '.version[0] | .version == "0.1.0" and .library == "0.1.0"'
	assert_json '.version[0] | has("features")'
	[ "$(jq -r '.version[0].kernel' <<<"$output")" = "$(uname -r)" ]
}

@test "an unknown option is a usage error, of run, attach and shim 125" {
	for command in $with_options; do
		ctl "$command" --frobnicate
		case $command in
		run | attach | shim)	assert_failure 125 ;;
		*)			assert_failure 2 ;;
		esac
		assert_error "$command: unrecognized option '--frobnicate'"
		assert_hint "see 'mshare-ctl help $command'"
	done
}

@test "missing and surplus arguments are usage errors" {
	while read -r args; do
		# shellcheck disable=SC2086
		ctl $args
		assert_failure 2
	done <<-'END'
		info
		info 3 4
		table
		table 3 4
		map
		map 3 0 4K r
		map 3 0 4K r memfd:a 0 0
		map 3 -f file 0
		unmap
		unmap 3 0
		unmap 3 0 4K 4K
		protect
		protect 3
		protect 3 0 4K
		protect 3 0 4K r 8K
		protect 3 0 4K r -f file
		list 3
		check 3
		watch
		watch 3 0
		watch 3 0 4K 8K
		watch 3 1 4K
		watch 3 0 x
		watch 3 -m x
		watch 3 -k x
		watch 3 -x x
		watch 3 -a x
		watch 3 -c 0
		watch 3 -c 1x
		watch 3 -c -1
		watch 3 -t x
		watch 3 -t 1.
		watch 3 -t 99999999999
		watch 3 -t 999999999h
		watch 3 -R -1
		watch 3 -w 0
		table 3 --draw -J
		table 3 -d -o OFFSET
		table 3 4 --draw
		seal
		seal 3
		seal layout
		seal 3 layout 7
		seal 3 LAYOUT
		seal 3 shrink
		stat 3 4
		stat -i 0
		stat -i x
		stat -i 0.0001
		stat -c 0
		stat -c x
		hold
		hold -f /dev/null
		hold db0
		hold db0 db1 -f /dev/null
		hold 3 -f /dev/null
		hold 1:3 -f /dev/null
		hold .db0 -f /dev/null
		hold a/b -f /dev/null
		hold ../db0 -f /dev/null
		hold db0 -f /dev/null -M 8
		hold db0 -f /dev/null -M 1777
		hold db0 -f /dev/null -M u+w
		hold db0 -f /dev/null -l x
		hold db0 -f /dev/null -l 1
		hold db0 -f /dev/null -m w
		hold db0 -f /dev/null -O nobody-of-that-name
		hold db0 -f /dev/null -G nobody-of-that-name
		hold db0 -f /dev/null -u nobody-of-that-name
		hold db0 -f /dev/null -O -1
		hold db0 -f /dev/null -O 4294967295
	END
}

@test "run needs a layout and a command" {
	ctl run -- true
	assert_failure 125
	assert_error "run: -f LAYOUT is missing"
	ctl run -f /dev/null
	assert_failure 125
	assert_error "run: the command is missing"
	ctl run -f
	assert_failure 125
}

@test "hold names a user that does not exist" {
	ctl hold db0 -f /dev/null --user nobody-of-that-name
	assert_failure 2
	assert_error "hold: no such user: nobody-of-that-name"
	ctl hold db0 -f /dev/null --group nobody-of-that-name
	assert_error "hold: no such group: nobody-of-that-name"
}

@test "attach needs a name and a command" {
	ctl attach
	assert_failure 125
	assert_error "attach: the NAME is missing"
	ctl attach db0
	assert_failure 125
	assert_error "attach: the command is missing"
	ctl attach db0 --control --
	assert_failure 125
	assert_error "attach: the command is missing"
	ctl attach 1:3 -- true
	assert_failure 125
	assert_error "attach: '1:3' is no name of a holder"
}

@test "what is neither a name nor an fd is refused with a reason" {
	for name in 1: :3 1:x 0:3 1:3:4 -- 99999999999 3x -x .x a/b ../x "a b" "" "$(printf 'a%.0s' {1..65})"; do
		ctl info -- "$name"
		assert_failure 2
		assert_error "info: $name: neither PID:FD nor FD, nor a holder's name"
		assert_hint "'mshare-ctl list' shows the names, and the holders as PID:FD"
	done
}

@test "a layout that can't be read, or is wrong" {
	ctl hold nobody-has-it -f /nonexistent
	assert_failure 1
	assert_error "hold: /nonexistent: No such file or directory"
	ctl hold nobody-has-it -f - <<<"0 4K q memfd:a"
	assert_failure 1
	[[ $stderr == "mshare-ctl: hold: stdin:1: "* ]]
	[ ! -e /run/mshare/nobody-has-it ]
}

@test "an fd that is not open" {
	ctl info 99
	assert_failure 1
	assert_error "info: 99: Bad file descriptor (EBADF)"
	ctl unmap 99 0 4K
	assert_failure 1
	ctl protect 99 0 4K r
	assert_failure 1
	ctl map 99 0 4K r memfd:a
	assert_failure 1
	ctl watch 99 -m block -k fail -x signal -a fail -c 1 -t 1.5s -w never -R 0
	assert_failure 1
	ctl table 99
	assert_failure 1
	ctl table 99 --draw
	assert_failure 1
	ctl seal 99 layout prot seal
	assert_failure 1
	ctl stat 99 -i 1 -c 1
	assert_failure 1
}

@test "a process that does not exist, an fd that it has not" {
	ctl info 4194303:3
	assert_failure 1
	assert_error "info: 4194303:3: process 4194303: No such process (ESRCH)"
	ctl info $$:250
	assert_failure 1
	assert_error "info: $$:250: fd 250 of process $$: Bad file descriptor (EBADF)"
}

@test "a process of somebody else" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	run --separate-stderr setpriv --reuid=65534 --clear-groups "$(command -v mshare-ctl)" info 1:0
	assert_failure 1
	[[ $stderr == *"(EPERM)"* ]]
	assert_hint "this needs the right to trace that process"
}

@test "without the feature: exit 3 and a hint" {
	need_no_device
	for args in check list "info 0" "table 0" "unmap 0 0 4K" "protect 0 0 4K r" "map 0 0 4K r memfd:a" "watch 0" \
		"seal 0 prot" stat "stat 0" "table 0 --draw" "hold nobody-has-it -f /dev/null -l 4K" \
		"info nobody-has-it" "map nobody-has-it 0 4K r memfd:a"; do
		# shellcheck disable=SC2086
		ctl $args </dev/null
		assert_failure 3
		assert_error "${args%% *}: this kernel has no ptshare: /dev/ptshare is missing"
		assert_hint "boot a kernel with CONFIG_PTSHARE=y"
	done
	ctl run -f - -- true <<<"0 4K r memfd:a"
	assert_failure 125
	assert_error "run: this kernel has no ptshare: /dev/ptshare is missing"
	ctl attach nobody-has-it -- true
	assert_failure 125
	assert_error "attach: this kernel has no ptshare: /dev/ptshare is missing"
}

@test "check prints its lines even then" {
	need_no_device
	ctl check
	assert_failure 3
	assert_line --index 0 --regexp '^kernel +missing +Linux .*, without ptshare$'
	assert_line --index 1 --regexp '^config +missing +CONFIG_PTSHARE is not set$'
	assert_line --index 2 --regexp '^device +missing +/dev/ptshare$'
	assert_line --index 3 --regexp '^permission +unknown'
	ctl check -J
	assert_failure 3
	assert_json '[.check[].item] == ["kernel", "config", "device", "permission", "features", "limits"]'
	assert_json '.check[0].status == "missing"'
	ctl check -r -o item,status
	assert_line --index 2 "device missing"
	ctl check -P -o ITEM
	assert_line --index 0 'ITEM="kernel"'
}

@test "list without containers" {
	need_no_device
	ctl list -J
	assert_failure 3
	assert_json '.containers == []'
}

@test "columns: choice, order, +, case, unknown" {
	ctl version -r -o LIBRARY,VERSION
	assert_success
	assert_output $'LIBRARY VERSION\n0.1.0 0.1.0'
	ctl version -rn -o library
	assert_output "0.1.0"
	ctl version -P -o version
	assert_output 'VERSION="0.1.0"'
	ctl version -J -o version
	assert_json '.version[0] | keys == ["version"]'
	ctl version -r -o +version
	assert_line --index 0 "VERSION LIBRARY KERNEL FEATURES VERSION"
	for list in nonsense version,nonsense , VERSIO versionx ""; do
		ctl version -o "$list"
		assert_failure 2
		[[ $stderr == *"unknown column"* ]] || fail "$list: $stderr"
	done
}

@test "formats exclude each other" {
	for args in "-J -r" "-J -P" "-r -P"; do
		# shellcheck disable=SC2086
		ctl version $args
		assert_failure 2
		assert_error "version: -J, -r and -P exclude each other"
	done
}

@test "long options for tables" {
	ctl version --raw --noheadings --bytes --output version
	assert_success
	assert_output "0.1.0"
	ctl version --json --output version
	assert_json .version
	ctl version --pairs --output version
	assert_output 'VERSION="0.1.0"'
}

@test "output that can't be written is an error" {
	run --separate-stderr sh -c 'mshare-ctl version >/dev/full'
	assert_failure 1
	run --separate-stderr sh -c 'mshare-ctl help >/dev/full'
	assert_failure 1
}

@test "the udev rule and the group it names" {
	run cat "$ctl_dir/udev/60-ptshare.rules"
	assert_line 'KERNEL=="ptshare", GROUP="ptshare", MODE="0660"'
	run cat "$ctl_dir/udev/ptshare.sysusers"
	assert_line 'g ptshare -'
}
