# A command that Redis has and cmd.def has not, or has otherwise, is held or
# repeated wrongly. The table is compared with what a real Redis says.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;
use T::Redis;

# Writes that Redis does not flag as such. CLIENT PAUSE WRITE stops them:
my %may_replicate = map { $_ => 1 } qw(eval evalsha fcall pfcount publish
    spublish);
# They change the server, or must not be done twice:
my %change = map { $_ => 1 } qw(acl|deluser acl|load acl|save acl|setuser
    client|pause client|unpause config|resetstat config|rewrite config|set
    debug exec failover module|load module|loadex module|unload multi
    pfselftest replconf replicaof script|debug script|flush shutdown slaveof
    wait waitaof);
# Flagged as readonly, though they read no key:
my %no_read = map { $_ => 1 } qw(echo lolwut time);
# They block though this Redis does not say so:
my %blocks = map { $_ => 1 } qw(wait waitaof);
# Before Redis 7 a container has flags for all that is in it, and some others
# were not flagged yet. Old names are left to COMMAND.
my %old = map { $_ => 1 } qw(host: post stralgo);

my %table;
for (split /^/, slurp("$FindBin::Bin/../src/cmd.def")) {
	my ($name, $arity, $class, $flags) =
	    /^CMD\("(\S+)", (-?\d+), (\w+), ([\w |]+), \w+, / or next;
	$table{$name} = { arity => $arity, class => $class,
	    blocks => scalar($flags =~ /CMD_BLOCKS/),
	    container => scalar($flags =~ /CMD_CONTAINER/) };
}
cmp_ok(scalar keys %table, '>', 300, 'cmd.def is read');

my $redis = T::Redis->new;
my ($version) = $redis->info->{redis_version} =~ /^(\d+)/;
my ($wrong, %seen) = (0);

sub complain {
	diag(@_);
	$wrong++;
}

sub compare {
	my ($name, $arity, $flags) = (lc $_[0], @_[1, 2]);
	my %is = map { s/^\+//r => 1 } @$flags;
	my $row = $table{$name};
	$seen{$name} = 1;
	return if $version < 7 && ($old{$name} || $row->{container});
	return complain("$name is not in cmd.def") if !$row;
	# It is the one of the version that allows more.
	complain("$name: arity $row->{arity}, Redis has $arity")
	    if $row->{arity} != $arity && ($row->{arity} > 0 ||
	    -$row->{arity} > abs $arity);
	my $write = $row->{class} eq 'WRITE';
	complain("$name: Redis has it as a write, cmd.def as $row->{class}")
	    if $is{write} && !$write;
	complain("$name: cmd.def has it as a write, Redis does not")
	    if $write && !$is{write} && !$may_replicate{$name} &&
	    !$change{$name};
	complain("$name: Redis has it as readonly, cmd.def as $row->{class}")
	    if $is{readonly} && $row->{class} ne 'READ' &&
	    !$may_replicate{$name} && !$no_read{$name};
	complain("$name: blocking or not, Redis and cmd.def differ")
	    if !!$is{blocking} != !!$row->{blocks} && !$blocks{$name} &&
	    $version >= 7;
}

for my $c (@{$redis->command('COMMAND')}) {
	compare(@$_[0, 1, 2]) for $c, @{$c->[9] // []};
}
is($wrong, 0, 'every command of Redis is in cmd.def as Redis has it');
cmp_ok(scalar keys %seen, '>', 200, 'many commands were looked at');
for my $name (sort keys %may_replicate, keys %change, keys %no_read,
    keys %blocks) {
	ok($table{$name}, "$name, an exception of this test, is in cmd.def");
}

done_testing;
