# What a session is (transaction, user, database, protocol, subscriptions)
# must survive all that others do, and nobody may see another's.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;
use T::Sessions;

my @redis = map { T::Redis->new(conf => $T::Sessions::users) } 1, 2;
my $proxy = T::Proxy->new(redis => $redis[1])->open;

same_sessions(sub { $redis[0]->connect }, sub { $proxy->connect });
done_testing;
