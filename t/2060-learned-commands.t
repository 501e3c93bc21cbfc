# A module's commands are in no table. Taken for writes they would wait at
# each hold though they only read, and each of their clients would keep a
# connection for good. What Redis says of them by COMMAND is learned: when
# Holdover comes, and when a module does.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

# Of Debian's redis-redisearch; old enough to have some that cmd.def has not.
my $module = '/usr/lib/redis/modules/redisearch.so';
plan skip_all => "no $module" if !-e $module;

my $redis = T::Redis->new(conf => "enable-module-command yes\n");
plan skip_all => 'this module does not work with Valkey'
    if exists $redis->info->{valkey_version};
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
my $c = $proxy->connect;

sub fields { my $i = $proxy->info; map { $i->{$_} } @_ }

# What Redis has not either leaves nothing behind.
like($c->command('FT.DEBUG'), qr/^-ERR unknown command/, 'no module yet');
is_deeply([fields(qw(requests_unknown links_own))], [0, 0], 'pins nobody');

is($c->command('MODULE', 'LOAD', $module), 'OK', 'MODULE LOAD');
$proxy->wait_info(commands_learned => qr/^[1-9]/);
my $learned = $proxy->info->{commands_learned};
like($proxy->log, qr/the Redis of node \S* ?has \d+ commands that Holdover /,
    'it is logged');
is($c->command(qw(FT.CREATE i SCHEMA t TEXT)), 'OK', 'FT.CREATE, of the table');
is($c->command(qw(HSET doc t word)), 1, 'a document');
is($c->command(qw(FT.ADDHASH i doc 1)), 'OK', 'FT.ADDHASH, learned');
is($c->command(qw(FT.DEBUG IDTODOCID i 1)), 'doc', 'FT.DEBUG too');
is($c->command(qw(FT.SEARCH i word))->[0], 1, 'FT.SEARCH finds it');
$proxy->wait_info(links_own => 0);
is($proxy->info->{requests_unknown}, 0, 'nobody keeps a connection');

# One reads, the other writes.
my $other = $proxy->connect;
$proxy->admin(qw(PAUSE WRITE 60s));
$other->send(qw(FT.ADDHASH i doc 1));
$proxy->wait_info(waiting => 1);
is($c->command(qw(FT.DEBUG IDTODOCID i 1)), 'doc',
    'a read goes on in a hold');
is($c->command(qw(FT.SEARCH i word))->[0], 1, 'and so does a search');
ok(!$other->readable(0), 'a write waits');
$proxy->admin('RESUME');
$other->reply;

# Redis goes, and comes without the module.
$redis->child->kill;
$redis->start;
$proxy->wait_info(commands_learned => 0);
like($c->command(qw(FT.DEBUG)), qr/^-ERR unknown command/, 'it is forgotten');

# Loaded by somebody else; the same commands are known by the same rows.
is($redis->command('MODULE', 'LOAD', $module), 'OK', 'loaded at Redis');
$proxy->wait_info(commands_learned => $learned);
pass('it is learned again');

# Whoever does not let Holdover ask is served all the same.
$redis->command(qw(ACL SETUSER poor on >word ~* +@all -command));
my $file = write_file(tmpdir() . '/password', "word\n", 0600);
my $poor = T::Proxy->new(redis => $redis, conf => join "\n", 'workers 1',
    'redis-user poor', "redis-password-file $file", '')->open;
wait_for('the warning', sub { $poor->log =~ /does not say which commands/ });
$c = $poor->connect;
is($c->command(qw(FT.CREATE j SCHEMA t TEXT)), 'OK', 'FT.CREATE');
like($c->command(qw(FT.DEBUG IDTODOCID j 1)), qr{^-}, 'FT.DEBUG is answered');
is($poor->info->{requests_unknown}, 1, 'though it is unknown');
is($poor->info->{links_own}, 1, 'and pins');

done_testing;
