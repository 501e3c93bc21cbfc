# SIGTERM: nobody is accepted any more, what Redis has is answered, and the
# process ends with status 0. Clients see a closed connection and no error,
# and nothing that was acknowledged is missing. CLIENT KILL ends one of them.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Proxy;
use T::Redis;

# A process that writes to the proxy until its connection is closed, and
# notes in a file what was acknowledged, and what was an error. A number
# greater than 1 keeps that many writes in flight.
sub writer {
	my ($proxy, $name, $ahead) = @_;
	my $notes = tmpdir() . "/$name";
	my $c = $proxy->connect;
	my $pid = fork() // die "fork: $!";
	return { pid => $pid, notes => $notes } if $pid;
	open my $f, '>', $notes or POSIX::_exit(1);
	$f->autoflush;
	my ($sent, $got) = (0, 0);
	eval {
		while (1) {
			while ($sent < $got + $ahead) {
				$sent++;
				$c->send('SET', "$name:$sent", $sent);
			}
			my $r = $c->reply;
			$got++;
			print $f $r eq 'OK' ? "$name:$got\n" : "$r\n";
		}
	};
	print $f "end $@";
	POSIX::_exit(0);
}

sub noted { my ($w) = @_; split /\n/, slurp($w->{notes}) }
sub end { my ($w) = @_; waitpid $w->{pid}, 0; return noted($w) }

# Ends the node's Holdover under load and looks at what its clients saw.
sub end_under_load {
	my ($pair, $node) = @_;
	my $proxy = $pair->proxy($node);
	my $other = $pair->proxy($pair->other($node));
	my @w = map { writer($proxy, "$node$_", $_ > 3 ? 50 : 1) } 1 .. 6;
	my $stays = writer($other, "stays$node", 1);
	wait_for('writes', sub { !grep { noted($_) < 100 } @w, $stays });
	my $held = $proxy->connect;
	$proxy->admin('PAUSE', 'WRITE', '60s') if $node eq 'b';
	$held->send('SET', "held$node", 1) if $node eq 'b';
	$proxy->wait_info(waiting => qr/[1-9]/) if $node eq 'b';

	my $begin = now();
	$proxy->child->signal('TERM');
	wait_for("node $node to end", sub { $proxy->child->ended });
	diag sprintf 'node %s ended after %.0f ms', $node,
	    (now() - $begin) * 1000;
	is($proxy->child->{status}, 0, 'status 0');
	my @noted = map { end($_) } @w;
	my $fine = qr/^$node\d:\d+$|^end (?:connection closed|cannot write)/;
	is_deeply([grep { !/$fine/ } @noted], [],
	    'clients saw their connection closed and no error');
	my $before = noted($stays);
	wait_for('writes at the other node', sub {
		noted($stays) > $before + 50 });
	my @acked = grep { /^\w+:/ } @noted, noted($stays);
	my $redis = $pair->redis($other->info->{primary})->connect;
	my @got = map { @{$redis->command('MGET', @$_)} }
	    map { [@acked[$_ * 500 .. ($_ * 500 + 499 < $#acked ?
	    $_ * 500 + 499 : $#acked)]] } 0 .. int($#acked / 500);
	is((grep { !defined } @got), 0, @acked .
	    ' acknowledged writes, none is missing');
	is($redis->command('EXISTS', "held$node"), 0,
	    'what was held did not run');
	is_deeply([grep { !/^\w+:/ } noted($stays)], [],
	    "the other node's clients noticed nothing");
	kill 'KILL', $stays->{pid};
	waitpid $stays->{pid}, 0;
	$proxy->start;
	$pair->steady;
}

my $pair = T::Pair->new;
end_under_load($pair, $_) for qw(a b);

# ---- an order to a Redis in flight ----

$pair = T::Pair->new;
my $leader = $pair->leader;
my $next = $pair->proxy($pair->other($leader));
$pair->redis($leader)->child->signal('STOP');
$pair->proxy($leader)->child->signal('TERM');
wait_for('an order to both Redis', sub { $next->log =~ /CLAIM -> CLEAN/ });
$next->child->signal('TERM');
wait_for('the end', sub { $next->child->ended });
is($next->child->{status}, 0, 'it ends in the middle of an order');
$pair->redis($leader)->child->signal('CONT');

# ---- answers in flight ----

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "drain-timeout 60s\n")
    ->open;
my $c = $proxy->connect;
my $idle = $proxy->connect;
my $blocked = $proxy->connect;
is($c->command('SET', 'k', 1), 'OK', 'a client');
$blocked->send('BLPOP', 'queue', 0);
wait_for('BLPOP', sub { $redis->info->{blocked_clients} == 1 });

sub stop_redis {
	$redis->child->signal('STOP');
	# One after the other: what comes together counts as one.
	for my $n (1, 2) {
		$_[0]->send('INCR', 'k');
		$proxy->wait_info(in_flight => $n);
	}
}

stop_redis($c);
$proxy->child->signal('TERM');
ok($idle->closed, 'an idle client is closed at once');
ok($blocked->closed, 'and so is one that waits for an element');
$c->send('INCR', 'k');
eval { $proxy->connect->close; 1 };
like($@, qr/refused/, 'nobody is accepted any more');
ok($proxy->child->alive, 'answers in flight are awaited');
$redis->child->signal('CONT');
is($c->reply, 2, 'they come');
is($c->reply, 3, 'all of them');
ok($c->closed, 'then the connection is closed');
wait_for('the end', sub { $proxy->child->ended });
is($proxy->child->{status}, 0, 'status 0');
is($redis->command('GET', 'k'), 3, 'what came later did not run');

# ---- a second signal ----

$proxy->start->open;
$blocked = $proxy->connect->send('BLPOP', 'queue', 0);
wait_for('BLPOP', sub { $redis->info->{blocked_clients} == 1 });
$c = $proxy->connect;
$c->command('PING');
stop_redis($c);
$proxy->child->signal('TERM');
ok($blocked->closed, 'it has begun to end');
ok($proxy->child->alive, 'and waits');
$proxy->child->signal('TERM');
ok($c->closed, 'a second signal ends it at once');
wait_for('the end', sub { $proxy->child->ended });
is($proxy->child->{status}, 0, 'with status 0');
$redis->child->signal('CONT');

# ---- SHUTDOWN, and the bound ----

write_file("$proxy->{dir}/holdover.conf",
    slurp("$proxy->{dir}/holdover.conf") . "drain-timeout 100ms\n");
$proxy->start->open;
$c = $proxy->connect;
$c->command('PING');
$blocked = $proxy->connect->send('BLPOP', 'queue', 0);
wait_for('BLPOP', sub { $redis->info->{blocked_clients} == 1 });
stop_redis($c);
is($proxy->admin('SHUTDOWN'), 'OK', 'SHUTDOWN');
wait_for('the end', sub { $proxy->child->ended });
is($proxy->child->{status}, 0, 'what does not answer does not hinder');
like($proxy->log, qr/1 clients got no answer in drain-timeout/,
    'it is said');
$redis->child->signal('CONT');

# ---- CLIENT KILL ----

$proxy->start->open;
my ($x, $y) = ($proxy->connect, $proxy->connect);
$_->command('CLIENT', 'SETNAME', 'n') for $x, $y;
my $list = $proxy->admin('CLIENT', 'LIST');
is(() = $list =~ /^id=\d+ addr=/mg, 2, 'CLIENT LIST');
my $id = $x->command('CLIENT', 'ID');
like($proxy->admin(qw(CLIENT KILL ID), 12345), qr/^-ERR no client .* id/,
    'CLIENT KILL of nobody');
like($proxy->admin(qw(CLIENT KILL ADDR), '10.1.2.3:4'), qr/^-ERR no client/,
    'at an address');
like($proxy->admin('CLIENT', 'KILL', @$_), qr/^-ERR the syntax/,
    "CLIENT KILL @$_") for ['ID', 'x'], ['ID', 0], ['NAME', 'n'];
is($x->command('PING'), 'PONG', 'nobody was closed by that');
is($proxy->admin(qw(CLIENT KILL ID), $id), 'OK', 'CLIENT KILL ID');
ok($x->closed, 'closes that one');
is($y->command('PING'), 'PONG', 'and no other');
my ($addr) = $proxy->admin('CLIENT', 'LIST') =~ /addr=(\S+)/;
is($proxy->admin(qw(CLIENT KILL ADDR), $addr), 'OK', 'CLIENT KILL ADDR');
ok($y->closed, 'closes the other');
is($proxy->admin('CLIENT', 'LIST'), '', 'nobody is left');

done_testing;
