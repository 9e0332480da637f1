#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make dist`: one patch with everything.  `make series`: a series for git am in
# which each step builds.  Owns build/series*, build/ptshare-*.patch.
#
# usage: series.sh dist | series
#	BUILD=1		each step builds a whole kernel
#	BUILD=quick	each step builds the objects it touches
#
# The hooks come in the order of patches/series.  patches/overlay.series says
# where the new files go, in stanzas parted by empty lines:
#	before PATCH | at the end
#	subject ...
#	text ...		(any number)
#	files GLOB...
set -eu
. "$(dirname "$0")/lib.sh"

plan=$top/patches/overlay.series
repo=$build/series.git
out=$build/series

# Paths on stdin that the glob list selects.
select_files()
{
	local file glob

	while read -r file; do
		for glob in "$@"; do
			# shellcheck disable=SC2254 # a glob by intention
			case $file in
			$glob)	echo "$file"; break ;;
			esac
		done
	done
}

# One line per stanza: place|subject|number
stanzas()
{
	awk -v RS= '{
		place = "end"; subject = ""
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++) {
			if (line[i] ~ /^before /) place = substr(line[i], 8)
			if (line[i] ~ /^subject /) subject = substr(line[i], 9)
		}
		if (subject != "")
			print place "|" subject "|" NR
	}' <(grep -v '^#' "$plan")
}

stanza_field()
{
	awk -v RS= -v want="$1" -v key="$2 " 'NR == want {
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++)
			if (index(line[i], key) == 1)
				print substr(line[i], length(key) + 1)
			else if (line[i] == "text" && key == "text ")
				print ""
	}' <(grep -v '^#' "$plan")
}

# The order of all steps: "patch NAME" or "files NUMBER".
steps()
{
	local patch

	series_files | while read -r patch; do
		stanzas | awk -F'|' -v p="$patch" '$1 == p { print "files", $3 }'
		echo "patch $patch"
	done
	stanzas | awk -F'|' '$1 == "end" { print "files", $3 }'
}

check_plan()
{
	local file number

	: >"$build/series.planned"
	stanzas | cut -d'|' -f3 | while read -r number; do
		globs=$(stanza_field "$number" files)
		set -f
		# shellcheck disable=SC2086 # a list of globs
		select_files $globs <"$build/overlay.files" >>"$build/series.planned"
		set +f
	done
	file=$(sort -u "$build/series.planned" | comm -13 - "$build/overlay.files" | head -n 3 | paste -sd' ')
	[ -z "$file" ] || die "in no step of patches/overlay.series: $file"
	file=$(sort "$build/series.planned" | uniq -d | head -n 3 | paste -sd' ')
	[ -z "$file" ] || die "in two steps of patches/overlay.series: $file"
}

g()
{
	git -C "$repo" -c core.autocrlf=false -c commit.gpgsign=false \
		-c user.name="$(git -C "$top" config user.name || echo ptshare)" \
		-c user.email="$(git -C "$top" config user.email || echo ptshare@localhost)" "$@"
}

# Only the files that the patches touch: enough for patches, and fast.
make_repo()
{
	rm -rf "$repo"
	mkdir -p "$repo"
	series_files | patched_files >"$build/patched.files"
	rsync -a --files-from="$build/patched.files" --ignore-missing-args "$orig/" "$repo/"
	g init -q -b main
	g add -Af
	g commit -q --allow-empty -m "Linux $(cat "$build/linux-orig.version")"
	g tag base
}

step_patch()
{
	local patch=$top/patches/$1

	patch -d "$repo" -p1 --fuzz=0 --no-backup-if-mismatch -s <"$patch"
	g add -Af
	sed -e '/^---$/,$d' -e '/^--- /,$d' -e '/^diff /,$d' -e '/^Index: /,$d' "$patch" |
		g commit -q -F -
}

step_files()
{
	local globs

	globs=$(stanza_field "$1" files)
	set -f
	# shellcheck disable=SC2086 # a list of globs
	select_files $globs <"$build/overlay.files" >"$build/series.files"
	set +f
	[ -s "$build/series.files" ] || return 0
	rsync -rlp --files-from="$build/series.files" "$top/" "$repo/"
	g add -Af
	{
		stanza_field "$1" subject
		echo
		stanza_field "$1" text
	} | g commit -q -F -
}

# The end of the series must be the tree that is built and tested.
verify()
{
	local file

	while read -r file; do
		cmp -s "$repo/$file" "$linux/$file" || die "the series ends with another $file"
	done < <(grep -vE "^(tools|Documentation)/" "$build/linux.files")
	rm -rf "$repo.am"
	git clone -q "$repo" "$repo.am"
	git -C "$repo.am" checkout -q -b am base
	git -C "$repo.am" -c user.name=check -c user.email=check@localhost am -q "$out"/*.patch ||
		die "git am does not take the series"
	git -C "$repo.am" diff --quiet main am || die "git am ends with another tree"
	rm -rf "$repo.am"
}

make_series()
{
	local kind what

	check_plan
	make_repo
	while read -r kind what; do
		"step_$kind" "$what"
	done < <(steps)
	rm -rf "$out"
	g format-patch -q --no-signature -o "$out" base..main
	verify
	say "$(find "$out" -name '*.patch' | wc -l) patches in ${out#"$top"/}"
}

make_dist()
{
	local file

	file=$build/ptshare-$(cat "$build/linux-orig.version").patch
	[ -f "$plan" ] && check_plan
	make_repo
	series_files | while read -r what; do step_patch "$what"; done
	rsync -rlp --files-from="$build/overlay.files" "$top/" "$repo/"
	g add -Af
	g commit -q --allow-empty -m all
	g diff base main >"$file"
	echo "$file"
}

build_steps()
{
	local commit src=$build/series.linux obj=$build/series.obj n=0 all

	all=$(g rev-list --count base..main)

	[ -d "$src" ] || cp -a --reflink=auto "$orig" "$src.tmp"
	[ -d "$src" ] || mv "$src.tmp" "$src"
	# Begin at the unpatched files again.
	rsync -rlp --checksum --files-from="$build/patched.files" "$orig/" "$src/"
	while read -r file; do rm -f "$src/$file"; done <"$build/overlay.files"
	for commit in $(g rev-list --reverse base..main); do
		n=$((n + 1))
		g diff --name-only "$commit^" "$commit" >"$build/series.files"
		# The last of the steps shows all of them at work.
		[ "$n" != "$all" ] || g diff --name-only base main >"$build/series.files"
		g -c advice.detachedHead=false checkout -q "$commit"
		rsync -rlp --checksum --files-from="$build/series.files" "$repo/" "$src/"
		build_step "$src" "$obj" "$n" "$(g log -1 --format=%s "$commit")"
	done
	g checkout -q main
}

configure()
{
	local src=$1 obj=$2 log=$3

	cat "$src/kernel/configs/tiny-base.config" "$self_dir/config" "$self_dir/config.fast" >"$obj/.config.all"
	KCONFIG_ALLCONFIG=$obj/.config.all KCONFIG_CONFIG=$obj/.config.new \
		quiet "$log" kmake "$src" "$obj" allnoconfig
	cmp -s "$obj/.config.new" "$obj/.config" || mv "$obj/.config.new" "$obj/.config"
}

build_step()
{
	local src=$1 obj=$2 log=$build/series.log targets=bzImage

	if [ "$BUILD" = quick ]; then
		targets=$(grep -E '^(mm|fs|arch|kernel|lib|drivers)/.*\.c$' "$build/series.files" |
			sed 's/\.c$/.o/' || true)
		# A header: those two include most there are.
		! grep -q '^include/' "$build/series.files" ||
			targets="$targets mm/memory.o kernel/fork.o"
		targets=$(buildable "$src" "$targets")
	fi
	mkdir -p "$obj"
	[ "$3" != 1 ] && ! grep -q Kconfig "$build/series.files" || configure "$src" "$obj" "$log"
	# Not "prepare" and objects at once: make would take them one by one.
	# shellcheck disable=SC2086 # a list of words
	quiet "$log" kmake "$src" "$obj" ${targets:-prepare} || die "step $3 does not build: $4"
	say "step $3 builds: $4"
}

# Objects of files that the step's own Makefiles name.
buildable()
{
	local src=$1 object dir

	for object in $2; do
		dir=$(dirname "$object")
		[ -f "$src/${object%.o}.c" ] || continue
		grep -qsE "\b$(basename "$object" .o)\.o" "$src/$dir/Makefile" || continue
		echo "$object"
	done | sort -u
}

lock series
case ${1:-} in
dist)	make_dist ;;
series)	[ -f "$plan" ] || die "no patches/overlay.series"
	make_series
	[ -z "${BUILD:-}" ] || build_steps ;;
*)	die "usage: series.sh dist | series" ;;
esac
