# A large request is passed on as it comes, and no longer there to be sent
# again. A planned switch must wait for its end all the same, without a hold,
# and one that begins meanwhile goes to the new primary.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(persistence => 'none', conf => "workers 2\nswitch-min-gap 0\n"
    . "fresh-lag 10s\nfresh-lag-bytes 1gb\ndrain-timeout 5s");
my $proxy = $pair->proxy('a');
my ($small, $large, $next) = map { $proxy->connect } 1 .. 3;
my $mb = 1024 * 1024;
my $chunk = join '', map { chr(97 + $_ % 26) } 1 .. $mb;

# What a SET of so many MB begins with.
sub head {
	my ($key, $n) = @_;
	return "*3\r\n\$3\r\nSET\r\n\$" . length($key) . "\r\n$key\r\n\$"
	    . $n * $mb . "\r\n";
}

# Gives the order until it is taken; the switch is not over then.
sub begin_switch {
	my $intents = sub { scalar(() = $proxy->log =~ /-> SW_INTENT/g) };
	my ($before, $admin) = $intents->();
	wait_for('the hold to be near', sub {
		$admin = $proxy->admin_connect->send('SWITCHOVER');
		wait_for('the order to be taken', sub {
			$admin->readable(0) || $intents->() > $before });
		!$admin->readable(0) });
	return $admin;
}

for my $round (1, 2) {
	my $was = $pair->primary;
	$large->raw(head("l$round", 50) . $chunk);
	$large->raw($chunk) for 2 .. 45;
	$proxy->wait_info(in_flight => 1);
	my $admin = begin_switch();
	# That it has to wait tells that the gate knows.
	wait_for('one that begins to wait', sub {
		$next->raw(head("n$round", 1) . $chunk . "\r\n");
		wait_for('it to wait, or be answered', sub {
			$next->readable(0) || $proxy->info->{waiting} });
		!$next->readable(0) || $next->reply ne 'OK' });
	is($small->command('SET', 's', $_), 'OK', 'nobody else is held') for 1, 2;
	is($proxy->info->{waiting}, 1, 'but one that begins');
	ok(!$admin->readable(0), 'and the switch waits');
	$large->raw($chunk) for 46 .. 50;
	is($large->raw("\r\n")->reply, 'OK', 'what was begun ends');
	is($admin->reply, 'OK', 'then the switch is done');
	is($next->reply, 'OK', 'and the other goes on');
	$pair->steady;
	isnt($pair->primary, $was, 'over a switch');
	my $redis = $pair->redis($pair->primary)->connect;
	is($redis->command('STRLEN', "l$round"), 50 * $mb, 'all is there');
	is($redis->command('STRLEN', "n$round"), $mb, 'of both');
}

# Many, again and again, while the primary changes.
my @c = map { $proxy->connect } 1 .. 2;
my (@n, $switch) = map { 0 } @c;
my $set = T::Resp::encode('SET', 'k', substr $chunk, 0, 100_000);
$_->raw($set) for @c;
my $step = sub {
	for my $i (grep { $c[$_]->readable(0) } 0 .. $#c) {
		my $got = $c[$i]->reply;
		$got eq 'OK' or die "a SET got $got\n";
		$n[$i]++;
		$c[$i]->raw($set);
	}
};
for (1 .. 4) {
	my $was = $pair->primary;
	wait_for('an order', sub {
		$switch = $proxy->admin_connect->send('SWITCHOVER');
		wait_for('its answer', sub {
			$step->(); $switch->readable(0) }, 30);
		$switch->reply eq 'OK' }, 60);
	wait_for('the other primary', sub { $pair->primary ne $was });
}
is($_->reply, 'OK', 'the last') for @c;
cmp_ok($_, '>', 0, "$_ of 100 kB") for @n;
is($proxy->info->{clients_cut}, 0, 'nobody was cut');
is($proxy->info->{in_doubt}, 0, 'and nothing in doubt');

# One that does not end does not stop it.
$large->raw(head('never', 50) . $chunk);
$proxy->wait_info(in_flight => 1);
$pair->switchover;
like($large->reply, qr/^-LOADING Holdover: .*it was not run/,
    'one that takes too long');
$large->raw($chunk) for 2 .. 50;
is($large->raw("\r\n")->command('EXISTS', 'never'), 0,
    'its rest is dropped, and its client goes on');

done_testing;
