# SHOW SWITCHES tells of each change of the primary why it was, how long each
# step took and what it cost; the sums are in INFO.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "follow-delay 0\nswitch-min-gap 0\n");

sub switches { map { { @$_ } } @{$_[0]->admin('SHOW', 'SWITCHES')} }
sub steps { join ' ', grep { exists $_[0]{"${_}_us"} } qw(detect claim read
    wait intent drain fence undo commit promote flip open) }
sub leader { $pair->proxy($pair->proxy('a')->info->{leader}) }
sub sum { my $n = 0; $n += $_ for @_; return $n }

my $leads = leader();
my ($first) = switches($leads);
is($first->{reason}, 'first-start', 'the first start is the first one');
is($first->{from}, '', 'from none');
is($first->{to}, $pair->primary, 'to the primary');
is($first->{kind}, 'failover', 'which was not planned');
is($first->{lost_writes_at_most}, 0, 'and lost nothing');

# ---- an operator, with writes that wait ----

my $from = $pair->primary;
my $to = $pair->other($from);
my @c = map { $pair->proxy('a')->connect } 1 .. 10;
$_->command('SET', "k$_", 1) for @c;
my $last = 0;
my $done = 0;
my $order = $leads->admin_connect->send('SWITCHOVER');
until ($done) {
	$_->send('INCR', 'n') for @c;
	$last = $_->reply for @c;
	$done ||= $order->readable(0);
}
is($order->reply, 'OK', 'SWITCHOVER under load');
$pair->steady;
my ($s, @more) = switches($leads);
is(@more, 1, 'one more is listed');
is($s->{kind}, 'switchover', 'a switchover');
is($s->{reason}, 'operator', 'by an operator');
is("$s->{from} $s->{to}", "$from $to", 'from and to');
is($s->{epoch}, $leads->info->{epoch}, 'its epoch');
is(steps($s), 'intent drain fence promote flip open', 'its steps');
# The gate closes a moment after its step has begun: how long that is, is the
# machine's business.
use constant MOMENT => 100_000;
my @held = qw(drain_us fence_us promote_us flip_us open_us);
cmp_ok(sum(@{$s}{@held}), '<=', $s->{hold_us} + MOMENT,
    'are within the time of the hold');
cmp_ok($s->{hold_us}, '<', 5_000_000, 'which was not long');
is($s->{lost_bytes}, 0, 'nothing was lost');
is($s->{in_doubt}, 0, 'nothing was in doubt');
my ($peer) = switches($pair->proxy($leads->info->{node} eq 'a' ? 'b' : 'a'));
is("$peer->{kind} $peer->{reason} $peer->{from} $peer->{to}",
    "switchover peer-led $from $to", 'the other node has it too');
is(steps($peer), '', 'without the steps');
my ($at_a) = switches($pair->proxy('a'));
SKIP: {
	skip 'no write came during the hold', 1 if $at_a->{held} == 0;
	cmp_ok($at_a->{longest_us}, '>', 0, 'who waited has waited');
}

# ---- the primary follows the VIP ----

($from, $to) = ($to, $from);
$pair->proxy($to)->admin(qw(NOTIFY INSTANCE VI_1 MASTER 250));
$pair->proxy($from)->admin(qw(NOTIFY INSTANCE VI_1 BACKUP 250));
wait_for('the primary to follow', sub { $pair->primary eq $to });
$pair->steady;
($s) = switches(leader());
is($s->{reason}, 'follows-vip', 'after the VIP moved');
$pair->proxy($_)->admin(qw(CONFIG SET primary-follows-vip no)) for qw(a b);

# ---- Redis dies ----

my $c = $pair->proxy($from)->connect;
$c->command('SET', 'k', 1);
$pair->redis($to)->child->kill;
wait_for('the other to be primary', sub { $pair->primary eq $from });
is($c->command('SET', 'k', 2), 'OK', 'a write after it');
($s) = switches(leader());
is("$s->{kind} $s->{reason} $s->{from} $s->{to}",
    "failover redis-gone $to $from", 'a failover');
is(steps($s), 'detect commit promote open', 'its steps');
cmp_ok($s->{detect_us}, '>', 0, 'its detection took some time');
cmp_ok(sum(@{$s}{qw(commit_us promote_us open_us)}), '<=',
    $s->{hold_us} + MOMENT, 'the others are within the hold');
$pair->redis($to)->start;
$pair->steady;

# ---- an operator knows better ----

my $info = leader()->info;
is($info->{switches}, $info->{switchovers} + $info->{failovers},
    'the sums in INFO');
my @all = switches(leader());
is($info->{switches}, scalar @all, 'are over all of them');
is($info->{switches_held}, sum(map { $_->{held} } @all), 'held');
is($info->{switches_in_doubt}, sum(map { $_->{in_doubt} } @all), 'in doubt');
is($info->{lost_writes_at_most},
    sum(map { $_->{lost_writes_at_most} } @all), 'lost');
is($info->{switches_longest_us},
    (sort { $b <=> $a } map { $_->{longest_us} } @all)[0], 'the longest wait');

my $ctl = binary('holdoverctl');
my @lines = split /\n/, qx($ctl -s @{[leader()->{socket}]} show switches);
is(@lines, @all, 'holdoverctl prints one a line');
like($lines[0], qr/^at=\S+ kind=failover reason=redis-gone from=\w to=\w /,
    'as name=value');

# ---- a start is no change ----

wait_for('a to be the primary', sub { $pair->primary eq 'a' ||
    leader()->admin('SWITCHOVER') eq 'OK' && $pair->primary eq 'a' });
$pair->steady;
$pair->proxy($_)->child->stop for qw(a b);
$pair->proxy($_)->start for qw(a b);
$pair->steady;
is_deeply([map { switches($pair->proxy($_)) } qw(a b)], [],
    'two Holdovers that find all as it was list nothing');

done_testing;
