# Random walks that find nothing may be walks that cannot find anything. Each
# of these bugs, planted into the role decisions, must be found by them.
# Takes a minute: with T_LONG=1 only.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;

plan skip_all => 'long: set T_LONG=1' if !$ENV{T_LONG};

my $top = "$FindBin::Bin/..";
my @bugs = (
	['what a copy has of its own is not saved', 'node_lead.c',
	    'if (node_is_saved(n, o) || node_own(n, o) == 0)', 'if (1)'],
	['who acted alone does not say so', 'node.c',
	    'out.run[me][0] = \'\\0\';', ';'],
	['a node starts alone with whatever it has', 'node.c',
	    'if (n->record.fresh == SIDE_BIT(me))', 'if (1)'],
	['the last bytes of the old primary are not waited for',
	    'node_switch.c', 'if (i->offset < n->sw.end_offset)', 'if (0)'],
	['the other one is not attached', 'node_lead.c',
	    'node_attach(n, o);', ';'],
);

sub walk {
	my (@sources) = @_;
	my $walk = tmpdir() . '/walk';
	system($ENV{CC} // 'cc', qw(-std=c11 -D_GNU_SOURCE -O2),
	    "-I$top/src", '-o', $walk, "$top/t/explore/walk.c", @sources,
	    binary('libholdover.a'), '-lcrypto') == 0 or die 'cannot compile';
	local $ENV{WALKS} = 2000;
	return scalar `$walk`;
}

my @files = map { "$top/src/$_" } qw(node.c node_choose.c node_lead.c
    node_switch.c);
like(walk(@files), qr/^ok 1 - 2000 walks/, 'as it is, nothing is found');
for (@bugs) {
	my ($name, $file, $from, $to) = @$_;
	my $text = slurp("$top/src/$file");
	$text =~ s/\Q$from\E/$to/ or die "$file has no '$from'";
	my $bad = write_file(tmpdir() . "/bad-$file", $text);
	my $out = walk((grep { !/\/$file$/ } @files), $bad);
	like($out, qr/^not ok 1 - walk \d+: /, "$name: found");
	note($out =~ /^(.*)/);
}

done_testing;
