#!/usr/bin/perl
# Stand-in for the classic collapse of `perf script` text into folded stacks: the oracle of the tests and the peer of the bench.
#
#   perf script --no-inline | collapse.pl [--event-filter=EVENT] [--pid] [--tid] [--kernel] [--jit] [--all] [--addrs]
#
# Written from the documented behaviour of the classic script, oddities included, because people compare with it:
#   - without --event-filter only the first event of the text is counted
#   - a sample weighs its period; where the header does not end in "EVENT:" (a tracepoint prints arguments) it weighs 1
#     and no filter applies
#   - a sample counts when an empty line ends it; indented headers (samples without call graph) are passed over
#   - "(...)" behind a function name goes, unless it is an anonymous namespace or a Go method; quotes go; ";" becomes ":"
#   - "->" inside a name parts it into frames, the later ones marked _[i]
#   - a process id of 0 is not told apart from a missing one
use strict;
use warnings;
use Getopt::Long;

my ($with_pid, $with_tid, $mark_kernel, $mark_jit, $mark_all, $with_address) = (0) x 6;
my $wanted_event = '';
GetOptions(
    'pid'            => \$with_pid,
    'tid'            => \$with_tid,
    'kernel'         => \$mark_kernel,
    'jit'            => \$mark_jit,
    'all'            => \$mark_all,
    'addrs'          => \$with_address,
    'event-filter=s' => \$wanted_event,
) or die "usage: collapse.pl [--event-filter=EVENT] [--pid] [--tid] [--kernel] [--jit] [--all] [--addrs] [FILE]\n";
$mark_kernel = $mark_jit = 1 if $mark_all;

my %weight_of;    # folded stack => summed weight
my @frames;       # of the sample being read, root first
my $root;         # name of its process, undefined outside of a counted sample
my $weight = 0;

while (my $line = <>) {
    next if substr($line, 0, 1) eq '#';
    chomp $line;

    if ($line eq '') {
        next unless $root;
        $weight_of{ join ';', $root, @frames } += $weight;
        @frames = ();
        $root   = undef;
        next;
    }

    # comm pid[/tid] [cpu] time: [period] event:
    if (my ($comm, $first_id, $second_id) = $line =~ m{^(\S.+?)\s+(\d+)/*(\d*)\s}) {
        my $period;
        if ($line =~ m{:\s*(\d*)\s+(\S+):\s*\z}) {
            $period = $1;
            $wanted_event = $2 if $wanted_event eq '';
            next if $2 ne $wanted_event;
        }
        $weight = $period || 1;
        my ($pid, $tid) = $second_id ? ($first_id, $second_id) : ('?', $first_id);
        $root = $with_tid ? "$comm-$pid/$tid" : $with_pid ? "$comm-$pid" : $comm;
        $root =~ tr/ /_/;
        next;
    }

    # address symbol+0xoffset (object)
    my ($address, $symbol, $object) = $line =~ m{^\s*(\w+)\s*(.+) \((.*)\)};
    if (!defined $address) {
        warn "not understood: $line\n";
        next;
    }
    next unless $root;
    $symbol =~ s/\+0x[0-9a-f]+\z//;
    next if substr($symbol, 0, 1) eq '(';

    my @parts;
    for my $part (split /->/, $symbol) {
        my $name = $part;
        if ($name eq '[unknown]') {
            my $known_as = $object eq '[unknown]' ? 'unknown' : $object =~ s{^.*/}{}r;
            $name = $with_address ? "[$known_as <$address>]" : "[$known_as]";
        }
        $name =~ tr/;/:/;
        $name =~ s/\((?!anonymous namespace\)).*// if $name !~ m/\.\(.*\)\./;
        $name =~ tr/"'//d;
        $name =~ s/^L// if $root =~ m/^java/ && $name =~ m{/};

        if (@parts) {
            $name .= '_[i]' if $name !~ m/_\[i\]/;
        }
        elsif ($mark_kernel && $object =~ m/^\[|vmlinux\z/ && $object !~ m/unknown/) {
            $name .= '_[k]';
        }
        elsif ($mark_jit && $object =~ m{/tmp/perf-[0-9]+\.map}) {
            $name .= '_[j]' if $name !~ m/_\[j\]/;
        }
        push @parts, $name;
    }
    unshift @frames, @parts;
}

print "$_ $weight_of{$_}\n" for sort keys %weight_of;
