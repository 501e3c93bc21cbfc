# What a client has told Redis about itself must hold at the new primary
# without a word: tracking, a transaction under way, keys watched, MONITOR.
# A cache on the client's side must not outlive what would have told of
# changes.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;
sub batch { join '', map { T::Resp::encode(@$_) } @_ }
sub resp3 { my $c = $proxy->connect; $c->command('HELLO', 3); $c }

# Tracking: all that was cached is stale, and it goes on.
my ($t, $optin, $bcast) = map { resp3() } 1 .. 3;
is($t->command('CLIENT', 'TRACKING', 'ON'), 'OK', 'tracking');
is($optin->command('CLIENT', 'TRACKING', 'ON', 'OPTIN'), 'OK', 'OPTIN');
is($bcast->command('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'early:'),
    'OK', 'BCAST');
is($bcast->command('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'b:'),
    'OK', 'BCAST');
$t->command('GET', 'k');
for my $round (1, 2) {
	is($optin->command('CLIENT', 'CACHING', 'YES'), 'OK', 'CACHING');
	$pair->switchover;
	is_deeply($_->reply, ['invalidate', undef], 'all is invalid')
	    for $t, $optin, $bcast;
	# Its CACHING was for what it asks now.
	is($optin->command('GET', "o$round"), undef, 'a read');
	is($optin->command('GET', "n$round"), undef, 'and one more');
	is($t->command('GET', "k$round"), undef, 'a read');
	$writer->command('SET', $_, 1)
	    for "k$round", "n$round", "o$round", "b:$round";
	is_deeply($t->reply, ['invalidate', ["k$round"]], 'it hears');
	is_deeply($optin->reply, ['invalidate', ["o$round"]], 'OPTIN');
	is_deeply($bcast->reply, ['invalidate', ["b:$round"]], 'BCAST');
	$writer->command('SET', "early:$round", 1);
	is_deeply($bcast->reply, ['invalidate', ["early:$round"]],
	    'a prefix of before');
	is($_->command('PING'), 'PONG', 'and nothing else')
	    for $t, $optin, $bcast;
}
is($t->command('CLIENT', 'TRACKING', 'OFF'), 'OK', 'off');
$pair->switchover;
is($t->command('PING'), 'PONG', 'nothing is invalid then');
$_->reply for $optin, $bcast;
$_->close for $optin, $bcast;
$proxy->wait_info(links_own => 0);

# Tracking for another one, which is told by its own connection.
my @ear = ($proxy->connect, resp3());
my @ear_id = map { $_->command('CLIENT', 'ID') } @ear;
$ear[0]->command('SUBSCRIBE', '__redis__:invalidate');
my @for = ($proxy->connect, resp3(), resp3());
$for[0]->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $ear_id[0]);
$for[1]->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $ear_id[1],
    'BCAST', 'PREFIX', 'f:');
$for[2]->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $ear_id[1], 'OPTIN');
# Who named one that just gets another connection may be told that it is gone.
sub answer {
	my ($c, @request) = @_;
	my $r = $c->command(@request);
	$r = $c->reply
	    while ref $r && ($r->[0] // '') eq 'tracking-redir-broken';
	return $r;
}
# It is tracked again soon after a switch; what was cached till then is stale.
sub is_told {
	my ($c, $key, $who, $what) = @_;
	my @keys;
	wait_for("$what to be told", sub {
		answer($who, 'CLIENT', 'CACHING', 'YES') if $who eq $for[2];
		answer($who, 'GET', $key);
		$writer->command('SET', $key, 1);
		while ($c->readable(0.1)) {
			my $keys = $c->reply->[-1];
			push @keys, ref $keys ? @$keys : $keys;
		}
		grep { defined && $_ eq $key } @keys;
	});
	pass("$what: it is told");
	return @keys;
}
for my $round (1 .. 3) {
	answer($for[2], 'CLIENT', 'CACHING', 'YES');
	answer($for[2], 'MULTI') if $round == 2;
	$pair->switchover if $round < 3;
	if ($round == 3) {
		my $was = $pair->primary;
		$pair->redis($was)->child->kill;
		wait_for('the other primary', sub { $pair->primary ne $was });
		$pair->redis($was)->start;
	}
	if ($round == 2) {
		is(answer($for[2], 'PING'), 'QUEUED', 'in a transaction');
		is_deeply(answer($for[2], 'EXEC'), ['PONG'], 'which runs');
		is(answer($for[2], 'CLIENT', 'CACHING', 'YES'), 'OK',
		    'CACHING');
	}
	my @told = is_told($ear[0], "a$round", $for[0], 'RESP2');
	ok(scalar(grep { !defined } @told), 'RESP2: all is stale');
	@told = (is_told($ear[1], "f:$round", $for[1], 'RESP3, BCAST'),
	    is_told($ear[1], "c$round", $for[2], 'RESP3, OPTIN'));
	ok(scalar(grep { !defined } @told), 'RESP3: all is stale');
	is(answer($for[$_], 'CLIENT', 'GETREDIR'), $ear_id[$_ > 0],
	    'GETREDIR') for 0 .. 2;
	$pair->steady;
}
$ear[1]->close;
$proxy->wait_info(clients => 5 + 1);
$pair->switchover;
is_deeply($for[$_]->reply, ['tracking-redir-broken', $ear_id[1]],
    'the other one has gone') for 1, 2;
$_->close for $ear[0], @for;
$proxy->wait_info(links_own => 0);

# A transaction under way runs whole at the new one; a watched key counts as
# touched.
my ($tx, $watch, $clean) = map { $proxy->connect } 1 .. 3;
$tx->command('MULTI');
is($tx->command('INCR', 'n'), 'QUEUED', 'queued');
$watch->command('WATCH', 'n');
$clean->command('WATCH', 'n');
$clean->command('UNWATCH');
$pair->switchover;
is($tx->command('INCR', 'n'), 'QUEUED', 'one more');
is_deeply($tx->command('EXEC'), [1, 2], 'both ran');
$watch->command('MULTI');
is($watch->command('SET', 'n', 9), 'QUEUED', 'after WATCH');
is($watch->command('EXEC'), undef, 'nil');
$watch->raw(batch(['WATCH', 'n'], ['MULTI'], ['INCR', 'n'], ['EXEC']));
is_deeply([map { $watch->reply } 1 .. 4], ['OK', 'OK', 'QUEUED', [3]],
    'and it can be tried again');
$clean->raw(batch(['MULTI'], ['INCR', 'n'], ['EXEC']));
is_deeply([map { $clean->reply } 1 .. 3], ['OK', 'QUEUED', [4]],
    'UNWATCH ends it');
$proxy->wait_info(links_own => 0);

# The database.
is($tx->command('SELECT', 3), 'OK', 'SELECT');
$tx->command('SET', 'three', 3);
$pair->switchover;
is($tx->command('GET', 'three'), 3, 'holds');

# CLIENT REPLY: nothing is heard, all is done once.
my $mute = $proxy->connect;
$mute->send('CLIENT', 'REPLY', 'OFF');
$mute->send('INCR', 'mute') for 1 .. 3;
my $before = $pair->primary;
wait_for('', sub { $proxy->admin('SWITCHOVER') eq 'OK' });
my $asked = 3;
wait_for('the other primary', sub {
	$mute->send('INCR', 'mute');
	$asked++;
	$pair->primary ne $before });
$pair->steady;
$mute->send('CLIENT', 'REPLY', 'ON');
is($mute->reply, 'OK', 'CLIENT REPLY ON');
is($mute->command('GET', 'mute'), $asked, 'each ran once, unheard');
$proxy->wait_info(links_own => 0);

# MONITOR.
my $m = $proxy->connect;
is($m->command('MONITOR'), 'OK', 'MONITOR');
for my $round (1, 2) {
	$pair->switchover;
	wait_for('it to see', sub {
		$writer->command('GET', "seen$round");
		my $line = $m->reply;
		$line =~ /^\d+\.\d+ \[/ or die "this is no line: $line\n";
		$line =~ /"GET" "seen$round"/ });
	pass('it sees what is asked after a switch');
}

is($proxy->info->{clients_cut}, 0, 'nobody was cut');

done_testing;
