#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# seal: what each seal forbids, for good and for everybody.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm
	hold $'0 1M rw memfd:a\n1G 4K r memfd:b'
}

teardown()
{
	drop_shm
}

seals()
{
	mshare-ctl info "$box" -J -o SEALS | jq -c '.info[0].seals'
}

@test "layout: no map and no unmap, but protect" {
	ctl seal "$box" layout
	assert_success
	assert_equal "$output$stderr" ""
	assert_equal "$(seals)" '["layout"]'
	ctl unmap "$box" 0 4K
	assert_failure 1
	assert_error "unmap: $box: 0x0+4K: the container is sealed (EPERM)"
	ctl map "$box" 2M 4K r memfd:c
	assert_failure 1
	ctl map "$box" --replace 0 4K r memfd:c
	assert_failure 1
	ctl protect "$box" 0 4K r
	assert_success
}

@test "prot: no protect, but map and unmap" {
	ctl seal "$box" prot
	assert_success
	assert_equal "$(seals)" '["prot"]'
	ctl protect "$box" 0 4K r
	assert_failure 1
	assert_error "protect: $box: the container is sealed (EPERM)"
	ctl map "$box" 2M 4K r memfd:c
	assert_success
	ctl unmap "$box" 2M 4K
	assert_success
}

@test "seal: no more seals" {
	ctl seal "$box" seal
	assert_success
	assert_equal "$(seals)" '["seal"]'
	ctl seal "$box" layout
	assert_failure 1
	assert_error "seal: $box: the container is sealed (EPERM)"
	assert_hint "'mshare-ctl info $box' shows its seals"
	assert_equal "$(seals)" '["seal"]'
}

@test "several at once, one after the other, and twice" {
	ctl seal "$box" prot layout
	assert_success
	assert_equal "$(seals)" '["layout","prot"]'
	ctl seal "$box" layout layout
	assert_success
	ctl seal "$box" seal
	assert_success
	assert_equal "$(seals)" '["layout","prot","seal"]'
}

@test "an unknown word seals nothing" {
	ctl seal "$box" layout nonsense
	assert_failure 2
	assert_error "seal: 'nonsense' is no seal: layout, prot or seal"
	assert_equal "$(seals)" null
}

@test "an attach fd can't seal" {
	hold "0 4K rw memfd:a" --attach
	ctl seal "$box" layout
	assert_failure 1
	assert_error "seal: $box: this is no control fd (EPERM)"
	assert_equal "$(seals)" null
}

@test "a process of somebody else" {
	ctl_as 2000 2000 seal "$box" layout
	assert_failure 1
	[[ $stderr == *"(EPERM)"* ]]
	assert_equal "$(seals)" null
}
