# The hold of a planned switch must not grow with the number of subscribers:
# all is ready at the next primary before it begins. What is published all the
# while arrives once and in order, by channel, pattern and shard, in RESP2 and
# RESP3, whatever is subscribed to meanwhile; what Redis itself publishes of
# keys likewise.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0",
    redis_conf => 'notify-keyspace-events KEA');
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;

# Each hears everything, by a name of its kind, and has more of its own.
my @kinds = (['SUBSCRIBE', 'all'], ['PSUBSCRIBE', 'a*'],
    ['SSUBSCRIBE', 'all'], ['SUBSCRIBE', '__keyevent@0__:set']);
my @subs;
for my $i (0 .. 59) {
	my $c = $proxy->connect;
	$c->command('HELLO', 3) if $i % 2;
	my @names = (@{$kinds[$i / 2 % 4]}, map { "own$i-$_" } 1 .. 5);
	$c->command(@names);
	$c->reply for 1 .. 5;
	push @subs, { c => $c, kind => "@names[0, 1]", heard => [] };
}

my ($n, @sent, @far) = (0);
my $far = $pair->proxy('b')->connect;
$far->command('SUBSCRIBE', 'all');
sub take {
	for my $s (@subs) {
		while ($s->{c}->readable(0)) {
			my $got = $s->{c}->reply;
			die "what is this: @$got\n" if $got->[0] !~ /message$/;
			push @{$s->{heard}}, $got->[-1];
		}
	}
	push @far, $far->reply->[2] while $far->readable(0);
}
sub publish {
	for (1 .. 20) {
		$n++;
		my @got = map { $writer->command(@$_) } ['PUBLISH', 'all', $n],
		    ['SPUBLISH', 'all', $n], ['SET', $n, 'x'];
		push @sent, $n if 3 == grep { /^(\d+|OK)$/ } @got;
	}
	take();
}
for (1 .. 4) {
	my $was = $pair->primary;
	wait_for('', sub { $proxy->admin('SWITCHOVER') eq 'OK' });
	wait_for('the other primary', sub { publish();
	    $pair->primary ne $was });
	$pair->steady;
	publish();
}
wait_for('the last to arrive', sub { take();
    !grep { $_->[-1] != $n } \@far, map { $_->{heard} } @subs });
is(scalar @sent, $n, "all $n were published");
for my $kind (map { "@$_" } @kinds) {
	is(scalar(grep { "@{$_->{heard}}" ne "@sent" }
	    grep { $_->{kind} eq $kind } @subs), 0, "$kind: once, in order");
}
is("@far", "@sent", 'so by the other Holdover');
my $i = $proxy->info;
is($i->{listeners_moved}, 4 * @subs, 'all have moved');
is($i->{listeners_ahead}, 4 * @subs, 'and all was ready');

# Who changes what it listens to while a switch is near is not left behind.
my @some = grep { $_->{kind} eq 'SUBSCRIBE all' } @subs;
my ($k, $missed) = (0, 0);
for (1 .. 3) {
	my $was = $pair->primary;
	my %name;
	wait_for('', sub { $proxy->admin('SWITCHOVER') eq 'OK' });
	wait_for('the other primary', sub {
		for my $s (@some[map { int rand @some } 1 .. 10]) {
			my $name = 'new' . ++$k;
			$missed++ if $s->{c}->command('SUBSCRIBE', $name)->[1]
			    ne $name;
			$name{$s} = $name;
		}
		$pair->primary ne $was });
	$pair->steady;
	for my $s (grep { $name{$_} } @some) {
		$writer->command('PUBLISH', $name{$s}, $k);
		$missed++ if "@{$s->{c}->reply}" ne "message $name{$s} $k";
	}
}
is($missed, 0, "$k more are heard, and nothing else");

# Who listens to nothing any more shares connections again.
for my $s (@subs) {
	my ($letter) = $s->{kind} =~ /^([PS]?)S/;
	my $last;
	$s->{c}->send($letter . 'UNSUBSCRIBE');
	do { $last = $s->{c}->reply } while $last->[-1] > 0;
}
$proxy->wait_info(links_own => 0);
is($proxy->info->{links_own}, 0, 'no connection is its own');
is(scalar(grep { $_->{c}->command('PING') ne 'PONG' } @subs), 0,
    'each goes on');
is($proxy->info->{clients_cut}, 0, 'nobody was cut');
$_->close for $far, map { $_->{c} } @subs;
$proxy->wait_info(links_own => 0);

done_testing;
