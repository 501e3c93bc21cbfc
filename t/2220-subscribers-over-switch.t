# Who listens must not notice that the primary changes: the connection stays,
# each message arrives once, and nobody is told of subscriptions that are
# made anew. Publishers write in the moment of the switch, too.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;
my ($s2, $p2, $sh2, $s3) = map { $proxy->connect } 1 .. 4;

is_deeply($s2->command('SUBSCRIBE', 'a', 'b'), ['subscribe', 'a', 1],
    'SUBSCRIBE');
is_deeply($s2->reply, ['subscribe', 'b', 2], 'of two');
is_deeply($p2->command('PSUBSCRIBE', 'a*'), ['psubscribe', 'a*', 1],
    'PSUBSCRIBE');
is_deeply($sh2->command('SSUBSCRIBE', 'sh'), ['ssubscribe', 'sh', 1],
    'SSUBSCRIBE');
$s3->command('HELLO', 3);
is_deeply($s3->command('SUBSCRIBE', 'a'), ['subscribe', 'a', 1], 'RESP3');

# Each hears each message, and nothing else.
sub heard {
	my ($text, $n) = @_;
	is($writer->command('PUBLISH', 'a', $text), $n // 3, "PUBLISH $text");
	$writer->command('SPUBLISH', 'sh', $text);
	is_deeply($s2->reply, ['message', 'a', $text], 'SUBSCRIBE hears it');
	is_deeply($p2->reply, ['pmessage', 'a*', 'a', $text], 'PSUBSCRIBE');
	is_deeply($sh2->reply, ['smessage', 'sh', $text], 'SSUBSCRIBE');
	is_deeply($s3->reply, ['message', 'a', $text], 'RESP3');
}
heard('before');
for (1 .. 3) {
	$pair->switchover;
	heard("after $_");
}

# RESP2: what may be asked while subscribed.
is_deeply($s2->command('PING', 'x'), ['pong', 'x'], 'PING');
like($s2->command('GET', 'k'), qr/^-ERR Can't execute 'get'/, 'GET');
$s2->raw(join '', map { T::Resp::encode(@$_) } ['SUBSCRIBE', 'c', 'a'],
    ['UNSUBSCRIBE', 'b', 'c'], ['PING']);
is_deeply([map { $s2->reply } 1 .. 5], [['subscribe', 'c', 3],
    ['subscribe', 'a', 3], ['unsubscribe', 'b', 2], ['unsubscribe', 'c', 1],
    ['pong', '']], 'pipelined');
is_deeply($s2->command('UNSUBSCRIBE'), ['unsubscribe', 'a', 0],
    'from all that is left');
$proxy->wait_info(links_own => 3);
$s2->raw(join '', map { T::Resp::encode(@$_) } ['GET', 'k'],
    ['UNSUBSCRIBE'], ['RPUSH', 'l', 'message', 'a', 'b'],
    ['LRANGE', 'l', 0, -1]);
is_deeply([map { $s2->reply } 1 .. 4], [undef, ['unsubscribe', undef, 0], 3,
    ['message', 'a', 'b']], 'it is as any other again');
$s2->command('SUBSCRIBE', 'a');
is($s2->command('RESET'), 'RESET', 'RESET');
is_deeply($s2->command('LRANGE', 'l', 0, -1), ['message', 'a', 'b'],
    'ends it too');
like($s2->command('SUBSCRIBE'), qr/^-ERR wrong number/, 'an error');
is($s2->command('PING'), 'PONG', 'is answered, and no more');

# RESP3: it asks what it likes, and replies are in order.
$s3->raw(join '', map { T::Resp::encode(@$_) } ['LRANGE', 'l', 0, -1],
    ['SUBSCRIBE', 'b'], ['GET', 'k'], ['PUBLISH', 'b', 'me'], ['PING']);
my @got = map { $s3->reply } 1 .. 6;
is_deeply([grep { !ref || $_->[-1] eq 'b' || $_->[0] eq 'subscribe' } @got],
    [['message', 'a', 'b'], ['subscribe', 'b', 2], undef, 1, 'PONG'],
    'RESP3 asks while subscribed');
is_deeply([grep { ref && $_->[-1] eq 'me' } @got], [['message', 'b', 'me']],
    'and hears itself');
$pair->switchover;
is($s3->command('GET', 'k'), undef, 'and after a switch');
is_deeply($s2->command('SUBSCRIBE', 'a'), ['subscribe', 'a', 1], 'again');
heard('again');

# Under fire: all that was published with success arrives, once, in order; at
# the other node's Holdover too.
my $far = $pair->proxy('b')->connect;
$far->command('SUBSCRIBE', 'a');
my ($n, @sent, @heard, @far) = (0);
my $take = sub {
	push @heard, $s2->reply->[2] while $s2->readable(0);
	push @far, $far->reply->[2] while $far->readable(0);
};
for (1 .. 4) {
	my $was = $pair->primary;
	wait_for('', sub { $proxy->admin('SWITCHOVER') eq 'OK' });
	wait_for('the other primary', sub {
		for (1 .. 20) {
			my $got = $writer->command('PUBLISH', 'a', ++$n);
			push @sent, $n if $got =~ /^\d/;
		}
		$take->();
		$pair->primary ne $was });
	$pair->steady;
}
wait_for('the last to arrive', sub { $take->();
    $heard[-1] == $n && $far[-1] == $n });
is(scalar @sent, $n, "all $n were published");
is_deeply(\@heard, \@sent, 'and heard once, in order');
is_deeply(\@far, \@sent, 'by the other Holdover too');
$_->close for $far, $p2, $sh2, $s3;

# The primary dies: what is published then is heard again.
my $was = $pair->primary;
$pair->redis($was)->child->signal('KILL');
$pair->redis($was)->child->kill;
wait_for('the other primary', sub { $pair->primary ne $was });
wait_for('it to hear', sub {
	$writer->command('PUBLISH', 'a', 'dead') eq '1' });
is_deeply($s2->reply, ['message', 'a', 'dead'], 'it hears');
$pair->redis($was)->start;
$pair->steady;

is($proxy->info->{clients_cut}, 0, 'nobody was cut');
cmp_ok($proxy->info->{listeners_moved}, '>=', 25, 'they moved');
$s2->close;
$proxy->wait_info(links_own => 0);

done_testing;
