package T::LabTest;
#
# One case of T::Scenario as a test. What each asserts is in the .t file;
# what all assert is here.
#
use strict;
use warnings;
use Exporter qw(import);
use T::Scenario;
use Test::More;

our @EXPORT = qw(lab_case);

# cuts: how many connections may be cut, by step; stretch: longest one
# allowed, in seconds, or by step; in_doubt: how often INDOUBT may be answered
# to a connection
sub lab_case
{
	my ($case, %want) = @_;
	my $why = T::Lab->why_not;

	plan skip_all => $why if defined $why;
	my $s = T::Scenario->new(%{$want{scenario} // {}});
	my $r = $s->run($case);

	diag $_ for map { T::Scenario::line($_) } summary(@{$r->{steps}});
	diag $_ for @{$r->{when}};
	note "$_ $r->{$_}" for grep { !ref $r->{$_} } sort keys %$r;

	cmp_ok $r->{acknowledged}, '>', 1000, 'writes were acknowledged';
	my %words = %{$r->{words}};
	my $in_doubt = delete $words{INDOUBT} // 0;
	is_deeply \%words, {}, 'no error but INDOUBT';
	if ($want{in_doubt}) {
		cmp_ok $r->{indoubt_max_per_connection}, '<=',
		    $want{in_doubt}, 'writes in doubt of a connection';
	} else {
		is $in_doubt, 0, 'nothing is in doubt';
	}
	cmp_ok $_->{cuts}, '<=', $want{cuts}{$_->{name}} // 0,
	    "connections cut: $_->{name}" for summary(@{$r->{steps}});
	is $r->{timeouts}, 0, 'no write timed out';
	my $stretch = $want{stretch} // 3;
	cmp_ok $_->{longest_us}, '<', 1e6 *
	    (ref $stretch ? $stretch->{$_->{name}} // 1 : $stretch),
	    "longest stretch: $_->{name}" for summary(@{$r->{steps}});
	is $r->{wrong}, 0, 'no value is another than what was written';

	is $r->{old}, 0, 'nothing is missing that both had before the fault';

	# With "ack primary" what the dead one had not yet sent is gone, and
	# Holdover says how much that can be.
	my $lost = $want{in_doubt} ? $r->{lost_at_most} : 0;
	diag sprintf '%d acknowledged, missing %d, by the counter %d; Holdover '
	    . 'said at most %d', @$r{qw(acknowledged missing shortfall
	    lost_at_most)};
	cmp_ok $r->{missing} + $r->{shortfall}, '<=', $lost,
	    "acknowledged writes missing, at most $lost";
	is_deeply $r->{complaints}, [], 'every program ended well';
	done_testing;
}

# Steps of one name as one: the worst of each.
sub summary
{
	my (%sum, @order);

	for my $s (@_) {
		my $t = $sum{$s->{name}};
		if (!$t) {
			push @order, $sum{$s->{name}} = { %$s,
			    words => { %{$s->{words}} } };
			next;
		}
		$t->{longest_us} = $s->{longest_us}
		    if $s->{longest_us} > $t->{longest_us};
		$t->{$_} += $s->{$_} for qw(acknowledged errors cuts timeouts
		    connect_failures connect_timeouts);
		$t->{words}{$_} += $s->{words}{$_} for keys %{$s->{words}};
	}
	return @order;
}

1;
