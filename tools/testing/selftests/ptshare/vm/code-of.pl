#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Prints the code of an object file so that equal code prints equal: functions
# sorted by name, no addresses, references by the symbol or the string they mean
# instead of an offset that depends on the order the compiler chose.
#
# usage: code-of.pl OBJECT
use strict;
use warnings;

my $obj = shift or die "usage: code-of.pl OBJECT\n";
my (%symbols, %strings);

# Counters in the names of static variables differ for no reason.
sub plain { my $n = shift; $n =~ s/\.\d+$//; return $n; }

sub read_symbols {
	open(my $fh, '-|', 'objdump', '-t', $obj) or die;
	while (<$fh>) {
		next unless /^([0-9a-f]+) .{7} (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$/;
		push @{$symbols{$2}}, [hex $1, plain($3)] unless $3 eq $2;
	}
	@{$symbols{$_}} = sort { $a->[0] <=> $b->[0] } @{$symbols{$_}} for keys %symbols;
}

sub read_strings {
	open(my $fh, '-|', 'objdump', '-h', $obj) or die;
	while (<$fh>) {
		next unless /^\s*\d+ (\.rodata\S*\.str\S*)\s+([0-9a-f]+)\s+\S+\s+\S+\s+([0-9a-f]+)/;
		my ($name, $size, $pos) = ($1, hex $2, hex $3);
		open(my $raw, '<:raw', $obj) or die;
		seek($raw, $pos, 0);
		read($raw, $strings{$name}, $size);
	}
}

# SECTION+OFFSET, as the instruction means it (a call is 4 bytes past).
sub meaning {
	my ($section, $offset, $type) = @_;
	my $bias = $type =~ /PC32|PLT32/ ? 4 : 0;
	my $at = $offset + $bias;

	if (exists $strings{$section}) {
		my $s = substr($strings{$section}, $at >= 0 ? $at : 0);
		$s =~ s/\0.*//s;
		$s =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
		return "\"$s\"";
	}
	my $best;
	for my $sym (@{$symbols{$section} || []}) {
		last if $sym->[0] > $at;
		$best = $sym;
	}
	return $best ? sprintf('%s+%#x', $best->[1], $at - $best->[0]) : $section;
}

sub relocation {
	my ($type, $target) = @_;

	if ($target =~ /^(\.[^+-]+|\S+?)([+-]0x[0-9a-f]+)?$/) {
		my ($name, $off) = ($1, $2 // '+0x0');
		my $value = hex(substr($off, 3)) * ($off =~ /^-/ ? -1 : 1);
		return "$type " . meaning($name, $value, $type) if $name =~ /^\./;
		return "$type " . plain($name) . $off;
	}
	return "$type $target";
}

read_symbols();
read_strings();
my (%functions, $name, $section, $count);
open(my $fh, '-|', 'objdump', '-dr', '--no-show-raw-insn', $obj) or die;
while (<$fh>) {
	chomp;
	if (/^Disassembly of section (\S+):/) {
		$section = $1;
	} elsif (/^[0-9a-f]+ <(.*)>:$/) {
		$name = "$section " . plain($1);
		$name .= '#' while exists $functions{$name};
		$functions{$name} = [];
	} elsif (/^\s+[0-9a-f]+: (R_\S+)\s+(\S+)/) {
		push @{$functions{$name}}, "\t\t" . relocation($1, $2);
	} elsif (/^\s*[0-9a-f]+:\t(.*)$/) {
		my $insn = $1;
		$insn =~ s/\b[0-9a-f]+ <([^>+]*)([^>]*)>/'<' . plain($1) . $2 . '>'/e;
		$insn =~ s/\s+$//;
		push @{$functions{$name}}, $insn;
	}
}
for my $f (sort keys %functions) {
	my @code = @{$functions{$f}};

	# What lies between functions.
	pop @code while @code && $code[-1] =~ /^(nop|xchg\s+%ax,%ax|int3|cs nop|data16)/;
	print "$f:\n", map { "\t$_\n" } @code;
}
