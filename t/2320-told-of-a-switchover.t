# Who is told of a planned switch is told before anything is held, at both
# nodes: libraries give more time only to what they send after that. Here the
# other node is frozen, so that a switch is intended and does not come to pass.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0\n" .
    "lease 10s\ndrain-timeout 500ms");
my %c = map { $_ => $pair->proxy($_)->connect } qw(a b);

for (values %c) {
	$_->command('HELLO', 3);
	is($_->command(qw(CLIENT MAINT_NOTIFICATIONS ON)), 'OK', 'ON');
}
for (1 .. 3) {
	$pair->switchover;
	for my $n (qw(a b)) {
		is($c{$n}->reply->[0], 'FAILING_OVER', "a switch, node $n");
		is($c{$n}->reply->[0], 'FAILED_OVER', 'is over');
	}
}

my $leader = $pair->leader;
my $frozen = $pair->proxy($pair->other($leader))->child;
my $c = $c{$leader};
my $admin = $pair->proxy($leader)->admin_connect;
$frozen->signal('STOP');
# An order that comes too early is refused at once.
wait_for('a switch to begin', sub {
	$admin->send('SWITCHOVER');
	wait_for('a word of it', sub { $c->readable(0) ||
	    $admin->readable(0) });
	return 1 if $c->readable(0);
	$admin->reply;
	return 0;
});
is($c->reply->[0], 'FAILING_OVER', 'told of what is intended');
is($c->command('INCR', 'n'), 1, 'nothing is held yet');
is($c->reply->[0], 'FAILED_OVER', 'told that it is off');
$frozen->signal('CONT');
like($admin->reply, qr/^-/, 'the other node did not agree');
$pair->steady;
is($c->command('INCR', 'n'), 2, 'all goes on');

done_testing;
