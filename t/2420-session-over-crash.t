# The primary dies without a word. What only reads or listens goes on at the
# other Redis, what may have run is in doubt, and nobody is cut.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0\n");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;
sub batch { join '', map { T::Resp::encode(@$_) } @_ }
sub primary { $pair->redis($pair->primary) }

for my $round (1, 2) {
	my ($t, $m, $sub, $tx, $watch, $zset, $stream, $group, $waits) =
	    map { $proxy->connect } 1 .. 9;
	$t->command('HELLO', 3);
	is($t->command('CLIENT', 'TRACKING', 'ON'), 'OK', 'tracking');
	$t->command('GET', "k$round");
	is($m->command('MONITOR'), 'OK', 'MONITOR');
	$sub->command('SUBSCRIBE', 'ch');
	$tx->command('MULTI');
	$tx->command('INCR', "n$round");
	$watch->command('WATCH', "n$round");
	$writer->command('XGROUP', 'CREATE', "g$round", 'g', '$', 'MKSTREAM');
	$zset->send('BZPOPMAX', "z$round", 0)->send('ECHO', 'behind');
	$stream->send('XREAD', 'BLOCK', 0, 'STREAMS', "s$round", '0');
	$group->send('XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS',
	    "g$round", '>');
	$writer->command('SET', 'w', $round);
	$waits->send('WAIT', 2, 0);
	wait_for('all to be blocked',
	    sub { primary()->info->{blocked_clients} == 4 });
	# Nobody knows whether what the replica has not seen was written.
	wait_for('the other to have it all', sub { my $i = primary()->info;
	    $i->{slave0} =~ /offset=$i->{master_repl_offset},/ });

	my ($old, $other) = ($pair->primary, $pair->other($pair->primary));
	$pair->redis($old)->child->kill;
	wait_for('the other primary', sub { my $i = $proxy->info;
	    $i->{primary} eq $other && $i->{gate} eq 'open' });

	is_deeply($t->reply, ['invalidate', undef], 'all is invalid');
	is($t->command('GET', "l$round"), undef, 'a read');
	is($writer->command('SET', "l$round", 1), 'OK', 'a write');
	is_deeply($t->reply, ['invalidate', ["l$round"]], 'tracking goes on');
	wait_for('MONITOR to go on', sub {
		$writer->command('GET', "seen$round");
		my $line = $m->reply;
		$line =~ /^\d+\.\d+ \[/ or die "this is no line: $line\n";
		$line =~ /"GET" "seen$round"/ });
	wait_for('the subscriber', sub {
		$writer->command('PUBLISH', 'ch', $round) });
	is_deeply($sub->reply, ['message', 'ch', $round], 'it hears');

	like($zset->reply, qr/^-INDOUBT .*'bzpopmax'/, 'BZPOPMAX');
	is($zset->reply, 'behind', 'what is behind goes on');
	like($group->reply, qr/^-INDOUBT .*'xreadgroup'/, 'XREADGROUP');
	like($waits->reply, qr/^-INDOUBT .*'wait'/, 'WAIT');
	ok(!$stream->readable(0), 'XREAD was asked again');
	$writer->command('XADD', "s$round", '1-1', 'f', 'v');
	is($stream->reply->[0][1][0][0], '1-1', 'and is served');

	$writer->command('ZADD', "z$round", 1, 'a', 2, 'b');
	is_deeply($zset->command('BZPOPMAX', "z$round", 0),
	    ["z$round", 'b', 2], 'one that does not block');
	is_deeply($tx->command('EXEC'), [1], 'a transaction runs whole');
	$watch->command('MULTI');
	$watch->command('INCR', "n$round");
	is($watch->command('EXEC'), undef, 'a watched key counts as touched');
	is($waits->command('WAIT', 0, 0) =~ /^\d+$/, 1, 'WAIT');

	$pair->redis($old)->start;
	$pair->steady;
	is($waits->command('SET', 'w', 1), 'OK', 'a write');
	is($waits->command('WAIT', 1, 0), 1, 'is confirmed by the other');
	$_->close for $t, $m, $sub, $tx, $watch, $zset, $stream, $group,
	    $waits;
}
is($proxy->info->{clients_cut}, 0, 'nobody was cut');
is($proxy->info->{in_doubt}, 6, 'and no more was in doubt');

done_testing;
