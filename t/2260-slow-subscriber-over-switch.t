# A switch waits for subscribers to move. One that does not read what it is
# told must not make it wait, nor later ones, and no other may miss a thing.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf =>
    "workers 1\nswitch-min-gap 0\nclient-output-limit 64kb");
my $proxy = $pair->proxy('a');
my ($writer, $slow, $good) = map { $proxy->connect } 1 .. 3;
$slow->command('SUBSCRIBE', 'much');
$good->command('SUBSCRIBE', 'ch');

# Until the socket's buffers are full and its link is read no more.
my $text = 'x' x 100_000;
wait_for('it to be choked', sub {
	$writer->command('PUBLISH', 'much', $text) for 1 .. 20;
	$proxy->admin('SHOW', 'LINKS') =~ /^link=own .* stuck=1$/m });
for my $i (1 .. 3) {
	$pair->switchover;
	is($writer->command('PUBLISH', 'ch', $i), 1, 'a message');
	is_deeply($good->reply, ['message', 'ch', $i], 'is heard once');
}
my @hold = map { $_->{hold_us} } grep { $_->{kind} eq 'switchover' } map {
    +{ @$_ } } @{$proxy->admin('SHOW', 'SWITCHES')};
is(scalar @hold, 3, 'three switchovers are told');
# Each would be held for the 200 ms that a flip may take.
cmp_ok((sort { $a <=> $b } @hold)[0], '<', 150_000, 'nobody waited for it');
diag("held for (us) @hold");

# It reads again, and is told what comes.
wait_for('it to hear', sub {
	$writer->command('PUBLISH', 'much', 'end');
	while ($slow->readable(0)) {
		return 1 if $slow->reply->[2] eq 'end';
	}
	0 });

# One that reads soon after a switch misses nothing either, if all this takes
# less than the second for which the old primary is heard.
my $quick = 0;
for my $round (1 .. 10) {
	my ($n, @heard) = (0);
	wait_for('it to be choked', sub {
		$writer->command('PUBLISH', 'much', ++$n . $text) for 1 .. 20;
		$proxy->admin('SHOW', 'LINKS') =~ /^link=own .* stuck=1$/m });
	$pair->steady;
	my ($begun, $was) = (0, $pair->primary);
	wait_for('', sub {
		$begun = now();
		$proxy->admin('SWITCHOVER') eq 'OK' });
	wait_for('the other primary', sub { $pair->primary ne $was });
	$writer->command('PUBLISH', 'much', ++$n . $text) for 1 .. 20;
	push @heard, $slow->reply->[2] =~ /^(\d+)/ while ($heard[-1] // 0) < $n;
	next if now() - $begun > 0.8;
	is("@heard", "@{[1 .. $n]}", 'it misses nothing');
	last if ++$quick == 2;
}
is($proxy->info->{clients_cut}, 0, 'nobody was cut');

done_testing;
