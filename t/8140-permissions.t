# Who may do what on the admin port, by its one table; its limits; and that
# no secret leaves by it, by the log or by ps.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Proxy;
use T::Redis;

my $dir = tmpdir();
my $redis = T::Redis->new;
my $port = free_port();
my $password = 'operators-password';
my $file = write_file("$dir/password", "$password\n", 0600);
my $proxy = T::Proxy->new(redis => $redis, conf => <<"EOT")->open;
admin-port $port
admin-requirepass-file $file
EOT

# ---- the table ----

my $reader = T::Resp->new($port);
my @rows = map { { name => $_->[0], words => [map { uc } split /\|/, $_->[0]],
    arity => $_->[1], flag => $_->[2][0] } } @{$reader->command('COMMAND')};
my @operator = grep { $_->{flag} eq 'admin' } @rows;
is_deeply([map { $_->{name} } @operator], [qw(client|kill config|rewrite
    config|set handover notify pause promote reload resume shutdown
    switchover)], 'what changes something needs an operator');
is_deeply([map { $_->{name} } @rows], [sort map { $_->{name} } @rows],
    'the table is sorted');
for my $r (@operator) {
	my @more = ('x') x (abs($r->{arity}) - @{$r->{words}});
	like($reader->command(@{$r->{words}}, @more), qr/^-NOAUTH \Q@{
	    $r->{words}}\E needs an operator/, "@{$r->{words}} by a reader");
	like($reader->command(map { lc } @{$r->{words}}), qr/^-NOAUTH/,
	    'whatever its arguments and case');
}
is($redis->command('PING'), 'PONG', 'and Redis is there');
is($proxy->info->{paused}, 'no', 'nothing was done');

my $help = $reader->command('HELP');
my @heads = $help =~ /^(\S.*)$/mg;
is(@heads, @rows, 'HELP has all of them');
for my $i (0 .. $#rows) {
	my $r = $rows[$i];
	like($heads[$i], qr/^\Q@{$r->{words}}\E(?= |$)/, "HELP has $r->{name}");
	is($heads[$i] =~ /  \(operator\)$/ ? 'admin' : 'readonly', $r->{flag},
	    'and its permission');
}

my %docs = @{$reader->command('COMMAND', 'DOCS')};
my @docs;
for my $name (keys %docs) {
	my %doc = @{$docs{$name}};
	my %sub = @{$doc{subcommands} // []};
	push @docs, %sub ? keys %sub : $name;
	ok({ @$_ }->{summary}, "COMMAND DOCS $name")
	    for %sub ? values %sub : $docs{$name};
}
is_deeply([sort @docs], [map { lc } map { $_->{name} } @rows],
    'COMMAND DOCS has all of them');
like(qx(redis-cli -p $port help config set 2>&1), qr/CONFIG SET.*OPTION VALUE/,
    "and redis-cli's help shows them");

# ---- AUTH ----

for my $wrong ('', 'x', $password . 'x', substr($password, 1), 'x' x 600) {
	like($reader->command('AUTH', $wrong), qr/^-WRONGPASS/, 'AUTH with '
	    . length($wrong) . ' wrong bytes');
}
like($reader->command('AUTH', "$password\0"), qr/^-ERR there is a NUL/,
    'AUTH with a NUL behind the password');
like($reader->command('PAUSE'), qr/^-NOAUTH/, 'still a reader');
is($reader->command('AUTH', $password), 'OK', 'AUTH');
is($reader->command('PAUSE', 'WRITE', '10ms'), 'OK', 'makes an operator');
like($reader->command('AUTH', 'x'), qr/^-WRONGPASS/, 'a wrong AUTH after it');
is(T::Resp->new($port)->command('AUTH', 'operator', $password), 'OK',
    'AUTH with a user, as redis-cli has it');
is($proxy->admin('RESUME'), 'OK', 'the unix socket is for operators');
my $ctl = binary('holdoverctl');
is(qx($ctl -p $port resume 2>&1), "NOAUTH RESUME needs an operator: AUTH "
    . "first\n", 'holdoverctl without a password');
is($? >> 8, 1, 'ends with 1');
is(qx($ctl -p $port -a $file resume 2>&1), "OK\n", 'and with one');
write_file("$dir/wrong", "x\n");
is(qx($ctl -p $port -a $dir/wrong resume 2>&1),
    "WRONGPASS the password is wrong\n", 'and with a wrong one');
is($? >> 8, 1, 'ends with 1');
like($proxy->log, qr/admin: AUTH with a wrong password/, 'it is logged');

# ---- limits ----

my @many = map { T::Resp->new($port) } 1 .. 64;
my $refused = grep { !eval { $_->command('PING') } } @many;
cmp_ok($refused, '>=', 1, 'connections are limited');
cmp_ok($refused, '<=', 8, 'to 64');
like($proxy->log, qr/more than 64 connections/, 'it is said');
undef @many;
my $c;
wait_for('room again', sub {
	$c = eval { T::Resp->new($port) };
	(eval { $c->command('PING') } // '') eq 'PONG' });
$c->raw("*2\r\n\$4\r\nAUTH\r\n\$100000\r\n");
eval { $c->raw('x' x 100_000) };
like(eval { $c->reply } // '', qr/^-ERR the request is too long/,
    'a request is limited');
$c = T::Resp->new($port);
$c->raw("*1\r\n\$x\r\n");
like($c->reply, qr/^-ERR Protocol error/, 'broken RESP is told');
ok($c->closed, 'and closed');

# Who asks much and reads nothing fills no memory.
sub rss { slurp('/proc/' . $proxy->child->pid . '/status') =~
    /VmRSS:\s+(\d+)/ ? $1 : die }
my $before = rss();
$c = T::Resp->new($port);
my $asked = "COMMAND DOCS\r\n" x 4000;
$c->{s}->blocking(0);
my ($sent, $stuck) = (0, 0);
wait_for('it to be read no further', sub {
	my $n = syswrite($c->{s}, $asked);
	$sent += $n // 0;
	$stuck = defined $n ? 0 : $stuck + 1;
	$proxy->admin('PING');		# it had its turn
	$stuck == 20 || $sent > 20_000_000 });
cmp_ok(rss() - $before, '<', 16 * 1024, 'answers that nobody reads are '
    . 'bounded, kB');
$c->close;

# ---- secrets ----

my %secret = (control => 'control-links-secret', client => 'clients-secret',
    other => 'hello-secret');
write_file("$dir/control", "$secret{control}\n", 0600);
my $pair = T::Pair->new(conf => <<"EOT", redis_conf => <<"EOT2");
redis-user holdover
redis-password-file $dir/control
admin-requirepass-file $file
EOT
appendonly yes
user holdover on >$secret{control} ~* &* +\@all
user app on >$secret{client} ~* &* +\@all
EOT2
my $node = $pair->proxy('a');
my @said;
$c = $node->connect;
push @said, $c->command('AUTH', 'app', $secret{client});
push @said, $c->command('HELLO', 2, 'AUTH', 'app', $secret{client});
push @said, $c->command('HELLO', 2, 'AUTH', 'app', $secret{other});
push @said, $c->command('AUTH', $secret{other});
$c->command('AUTHX', $secret{other});	# Redis says it back
$c->raw("AUTH $secret{other} \"\r\n");
push @said, $c->reply;
$pair->proxy('a')->admin('SWITCHOVER');
$pair->steady;
my $admin = $node->admin_connect;
push @said, $admin->command('AUTH', $password);
push @said, $admin->command('AUTH', $secret{other});
push @said, $admin->command('AUTH', $secret{other}, 1, 2, 3);
for ([qw(CONFIG GET *)], [qw(INFO)], [qw(STATUS)], [qw(CLIENT LIST)],
    map { ['SHOW', $_] } qw(CLIENTS BACKENDS HOLD SWITCHES CONFIG PEER)) {
	my $r = $admin->command(@$_);
	push @said, ref $r ? flat($r) : $r;
}
sub flat { join ' ', map { ref $_ ? flat($_) : $_ // '' } @{$_[0]} }
is((grep { defined } @said), @said, 'all was answered');
my $pids = join ' ', map { "/proc/" . $pair->proxy($_)->child->pid .
    '/cmdline' } qw(a b);
push @said, qx(cat $pids), join '', map { $pair->proxy($_)->log } qw(a b);
like($said[-1], qr/client: .* closed/, 'the log has debug lines');
for my $s (values %secret, $password, 'not very secret') {
	is((grep { index($_, $s) >= 0 } @said), 0, "'$s' is nowhere");
}

done_testing;
