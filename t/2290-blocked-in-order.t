# Who is blocked when the primary changes keeps its place: nobody who comes
# while writes are held, and no push, overtakes one that was waiting. One whose
# time runs out meanwhile hears so in time.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my ($pair, $proxy, $login);

sub begin_pair {
	my (@conf) = @_;
	$pair = T::Pair->new(password => $login, conf => join "\n",
	    'workers 1', 'switch-min-gap 0', 'drain-timeout 60s', @conf,
	    defined $login ? 'redis-password-file ' .
	    write_file(tmpdir() . '/password', "$login\n", 0600) : ());
	$proxy = $pair->proxy('a');
}

sub client {
	my $c = $proxy->connect;
	$c->command('AUTH', $login) if defined $login;
	return $c;
}

sub blocked { $pair->redis($pair->primary)->info->{blocked_clients} }

# Begins a switch that stops in the middle, the old primary fenced, until
# go_on(): the new one is frozen.
my ($admin, $frozen);
sub switch_halfway {
	my $from = $pair->redis($pair->primary);
	$frozen = $pair->redis($pair->other($pair->primary))->child;
	wait_for('the old primary to be fenced', sub {
		$frozen->signal('STOP');
		$admin = $proxy->admin_connect->send('SWITCHOVER');
		wait_for('an answer, or the fence', sub {
			$admin->readable(0) || $from->info->{role} eq 'slave' });
		return 1 if !$admin->readable(0);
		# Too early after the last one.
		$frozen->signal('CONT');
		return 0 });
}

sub go_on {
	$frozen->signal('CONT');
	is($admin->reply, 'OK', 'over a switch');
	$pair->steady;
}

for (undef, 'secret') {
	$login = $_;
	begin_pair('hold-timeout 60s');
	my $name = defined $login ? ', with a password' : '';
	my $writer = client();
	for my $round (1 .. 3) {
		my @c = map { client() } 1 .. 30;
		for my $i (0 .. $#c) {
			$c[$i]->send('BLPOP', 'q', 0);
			wait_for('it to be blocked',
			    sub { blocked() == $i + 1 });
		}
		$writer->command('RPUSH', 'q', 1 .. 5);
		is_deeply([map { $_->reply->[1] } @c[0 .. 4]], [1 .. 5],
		    'some are served before');
		push @c, client();
		switch_halfway();
		$writer->send('RPUSH', 'q', 6 .. 31);
		$proxy->wait_info(waiting => 26);
		$c[-1]->send('BLPOP', 'q', 0);
		$proxy->wait_info(waiting => 27);
		go_on();
		is($writer->reply, 26, 'the push');
		is_deeply([map { $_->reply->[1] } @c[5 .. $#c]], [6 .. 31],
		    "in the order in which they came$name");
		$_->close for @c;
	}
	is($proxy->info->{clients_cut}, 0, 'nobody was cut');
	is($proxy->info->{in_doubt}, 0, 'nothing is in doubt');
}

# A hold that lasts longer than what is waited for. Who is blocked hears of no
# hold-timeout; and a time-out that is over is answered as Redis would.
undef $login;
begin_pair('hold-timeout 300ms');
my @asks = (['BLPOP', 'no', 2], ['BLMOVE', 'no', 'to', 'LEFT', 'LEFT', 2],
    ['BZPOPMAX', 'no', 2], ['BZMPOP', 2, 1, 'no', 'MAX'],
    ['XREAD', 'BLOCK', 2000, 'STREAMS', 'no', 0]);

# A client in RESP2 and one in RESP3 for each.
sub askers {
	my ($to) = @_;
	return map { my $c = $to->connect; $c->command('HELLO', $_); $c }
	    map { (2, 3) } @asks;
}
sub ask { $_[$_]->send(@{$asks[$_ / 2]}) for 0 .. $#_ }

ask(my @direct = askers($pair->redis('a')));
my @expected = map { $_->reply_bytes } @direct;
my @timed = askers($proxy);
my $waits = client();
my @forever = map { client() } 1 .. 3;
my @id = map { $_->command('CLIENT', 'ID') } @forever;
$_->send('BLPOP', 'yes', 0) for @forever;
my $begun = now();
ask(@timed);
$waits->send('WAIT', 2, 2000);
wait_for('all to be blocked', sub { blocked() == @timed + 4 });
wait_for('more than hold-timeout to pass', sub { now() - $begun > 0.4 });
my ($late, $never, $c) = map { client() } 1 .. 3;
switch_halfway();
$late->send('BLPOP', 'no', '0.2');
$never->send('BLPOP', 'no', 0);
is($late->reply, undef, 'its time-out ends before the hold');
like($never->reply, qr/^-LOADING Holdover/, 'one that was never asked');
is($c->command('CLIENT', 'UNBLOCK', $id[0]), 1, 'CLIENT UNBLOCK');
is($forever[0]->reply, undef, 'counts as a time-out');
is($c->command('CLIENT', 'UNBLOCK', $id[1], 'ERROR'), 1, 'and as an error');
is($forever[1]->reply, '-UNBLOCKED client unblocked via CLIENT UNBLOCK',
    'if asked to');
is_deeply([map { $_->reply_bytes } @timed], \@expected,
    'time-outs are as those of Redis');
like($waits->reply, qr/^[01]$/, 'WAIT');
cmp_ok(now() - $begun, '>=', 2, 'not too early');
ok(!$forever[2]->readable(0), 'one that has no time-out waits on');
go_on();
is($c->command('RPUSH', 'yes', 1), 1, 'a push');
is_deeply($forever[2]->reply, ['yes', 1], 'and gets it');
is($_->command('ECHO', 'on'), 'on', 'goes on')
    for @forever, $late, $never, $waits, @timed;

done_testing;
