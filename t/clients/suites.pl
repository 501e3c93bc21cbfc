# The suites; see suites.
#
# Left out is what needs Sentinel, a cluster, modules that Redis' own package
# has not, or a network.

my $npm = 'npm install --ignore-scripts --no-audit';
my $pytest = '/usr/bin/python3 -m pytest -q -p no:cacheprovider --tb=short '
    . '--continue-on-collection-errors --junitxml $OUT '
    . '-m "not redismod and not onlycluster and not ssl" '
    . '--ignore-glob "*cluster*" --ignore-glob "*sentinel*"';

(
hiredis => {
	packages => 'gcc make libevent-dev libssl-dev',
	source => 'hiredis=1.2.0-6',
	prepare => 'make hiredis-test USE_SSL=1',
	run => './hiredis-test -h 127.0.0.1 -p 6379 -s $SOCKET',
	tls => './hiredis-test -h 127.0.0.1 -p 6379 -s $SOCKET '
	    . '--ssl-host 127.0.0.1 --ssl-port $TLS_PORT --ssl-ca-cert $CA '
	    . '--ssl-cert $CERT --ssl-key $KEY',
	results => lines(qr/^\#\d+\ (?<name>.*?):\ (?:(?<ok>PASSED)|
	    (?<skipped>SKIPPED)|FAILED)/mx),
},
'redis-py' => {
	packages => 'python3-pytest python3-pytest-asyncio python3-hiredis',
	source => 'python-redis',
	run => "$pytest --redis-url redis://127.0.0.1:6379/9 tests",
	tls => "$pytest --redis-url 'rediss://127.0.0.1:'\$TLS_PORT'/9"
	    . "?ssl_ca_certs='\$CA'&ssl_certfile='\$CERT'&ssl_keyfile='\$KEY "
	    . 'tests',
	results => \&junit,
},
phpredis => {
	packages => 'php-cli php-dev gcc make',
	source => 'php-redis=6.2.0-1',
	prepare => 'phpize && ./configure && make -s',
	run => 'php -n -d extension=$PWD/modules/redis.so tests/TestRedis.php '
	    . '--host 127.0.0.1 --port 6379 --class Redis --nocolors',
	results => lines(qr/^(?<name>test\w+)\ .*?(?:(?<ok>PASSED)|
	    (?<skipped>SKIPPED)|FAILED)/mx),
},
'libredis-perl' => {
	packages => 'libredis-perl libtest-tcp-perl libtest-deep-perl '
	    . 'libtest-fatal-perl libtest-sharedfork-perl '
	    . 'libparallel-forkmanager-perl libio-string-perl',
	source => 'libredis-perl',
	run => 'prove -v t/[0-5]*.t',
	results => \&tap,
},
'libredis-fast-perl' => {
	packages => 'libredis-fast-perl libtest-tcp-perl libtest-deep-perl '
	    . 'libtest-fatal-perl libtest-sharedfork-perl '
	    . 'libparallel-forkmanager-perl libtest-unixsock-perl '
	    . 'libtest-leaktrace-perl',
	source => 'libredis-fast-perl=0.37+dfsg-1',
	run => 'prove -v t/[0-5]*.t',
	results => \&tap,
	known => {
		'07-reconnect.t: Pending commands' =>
		    "Redis' timeout for idle clients is not Holdover's",
	},
},
redigo => {
	packages => 'golang-go golang-github-stretchr-testify-dev',
	source => 'golang-github-gomodule-redigo=1:1.9.3-1',
	prepare => 'mkdir -p gopath/src/github.com/gomodule && '
	    . 'ln -s ../../../.. gopath/src/github.com/gomodule/redigo',
	run => 'export GO111MODULE=off HOME=$PWD '
	    . 'GOPATH=$PWD/gopath:/usr/share/gocode; '
	    . 'cd gopath/src/github.com/gomodule/redigo/redis && go test -v .',
	results => lines(qr/^\ *---\ (?:(?<ok>PASS)|(?<skipped>SKIP)|FAIL):
	    \ (?<name>\S+)/mx),
},
redlock => {
	packages => 'nodejs npm',
	source => 'redlock@4.2.0',
	prepare => $npm,
	run => 'npx mocha --timeout 8000 -R xunit -O output=$OUT --exit '
	    . 'test.js',
	results => \&junit,
},
)
