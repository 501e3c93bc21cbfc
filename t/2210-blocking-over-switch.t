# A command that is blocked when the primary changes is withdrawn, and asked
# again at the new one for the rest of its time. It must not fail, be lost or
# run twice, and what was pushed in the moment of the switch must arrive once.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;

sub blocked { $pair->redis($pair->primary)->info->{blocked_clients} }

# Sends each and waits until Redis has it blocked.
sub block {
	my @c = map { $proxy->connect->send(@$_) } @_;
	wait_for('all to be blocked', sub { blocked() == @c });
	return @c;
}

$writer->command('XADD', 's', '*', 'f', 'v');
$writer->command('XGROUP', 'CREATE', 's', 'g', '$');
my @asks = (['BLPOP', 'l1', 0], ['BRPOP', 'l2', 100],
    ['BLMOVE', 'l3', 'to', 'LEFT', 'RIGHT', '50.5'],
    ['BRPOPLPUSH', 'l4', 'to', 0], ['BLMPOP', 100, 1, 'l5', 'LEFT'],
    ['BZPOPMIN', 'z1', 0], ['BZMPOP', 20, 1, 'z2', 'MAX'],
    ['XREAD', 'BLOCK', 0, 'STREAMS', 's2', 0],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 60_000, 'STREAMS', 's',
    '>']);
for my $round (1, 2) {
	my @c = block(@asks);
	$pair->switchover;
	wait_for('all to be blocked again', sub { blocked() == @c });
	ok(!(grep { $_->readable(0) } @c), 'nobody heard of it');
	$writer->command('RPUSH', "l$_", "x$round") for 1 .. 5;
	$writer->command('ZADD', "z$_", 1, "x$round") for 1, 2;
	$writer->command('XADD', $_, '*', 'f', "x$round") for 's', 's2';
	my @got = map { $_->reply } @c;
	is_deeply([@got[0 .. 6]], [['l1', "x$round"], ['l2', "x$round"],
	    "x$round", "x$round", ['l5', ["x$round"]], ['z1', "x$round", 1],
	    ['z2', [["x$round", 1]]]], 'all are served');
	is($got[7][0][1][0][1][1], "x$round", 'XREAD');
	is($got[8][0][1][0][1][1], "x$round", 'XREADGROUP');
	is($c[0]->command('ECHO', 'on'), 'on', 'and it goes on');
	$writer->command('DEL', 's2');
	$_->close for @c;
}

# The rest of its time, not all of it anew.
my $begun = now();
my ($short, $seconds, $ms) = block(['BLPOP', 'none', '2.5'],
    ['BLPOP', 'none', 3], ['XREAD', 'BLOCK', 2500, 'STREAMS', 'none', 0]);
for my $passed (1, 1.4) {
	wait_for('time to pass', sub { now() - $begun > $passed });
	$pair->switchover;
}
is($_->reply, undef, 'a time-out') for $short, $ms;
cmp_ok(now() - $begun, '>=', 2.4, 'not too early');
is($seconds->reply, undef, 'a time-out of whole seconds');
cmp_ok(now() - $begun, '<', 5.5, 'and they did not begin anew');
$_->close for $short, $seconds, $ms;

# It leaves while blocked, over a switch: nobody eats the element.
my ($gone) = block(['BLPOP', 'left', 0]);
$pair->switchover;
$gone->close;
wait_for('nobody to be blocked', sub { blocked() == 0 });
is($writer->command('RPUSH', 'left', 1), 1, 'RPUSH');
is($writer->command('LLEN', 'left'), 1, 'nobody took it');

# Producers and consumers while the primary changes: each element once.
my @consumers = map { $proxy->connect } 1 .. 4;
my ($n, %seen) = (0);
$_->send('BLPOP', 'q', 0) for @consumers;
my $take = sub {
	for my $c (grep { $_->readable(0) } @consumers) {
		my $got = $c->reply;
		ref $got or die "a consumer got $got\n";
		$seen{$got->[1]}++;
		$c->send('BLPOP', 'q', 0);
	}
};
for (1 .. 4) {
	my $was = $pair->primary;
	wait_for('', sub { $proxy->admin('SWITCHOVER') eq 'OK' });
	wait_for('the other primary', sub {
		$writer->command('RPUSH', 'q', ++$n);
		$take->();
		$pair->primary ne $was && $n % 20 == 0 });
	$pair->steady;
}
wait_for('all to be taken', sub { $take->(); keys %seen >= $n });
is_deeply([sort { $a <=> $b } keys %seen], [1 .. $n], "all $n arrived");
is((grep { $_ > 1 } values %seen), 0, 'each once');
is($proxy->info->{clients_cut}, 0, 'nobody was cut');
is($proxy->info->{in_doubt}, 0, 'and nothing in doubt');
is($proxy->info->{bounce_passed}, 0, 'no refusal was passed on');

done_testing;
